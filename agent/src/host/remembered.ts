/** An answer that is kept for a while, so that it is not asked for at each round. A failure is not kept. */
export class Remembered<T> {
  readonly #keepMs: number;
  #last: { readonly key: string; readonly atMs: number; readonly value: T } | undefined;

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** Gives what was said of `key`, with its age, or asks. */
  async get(key: string, ask: () => Promise<T>): Promise<{ readonly value: T; readonly ageMs: number }> {
    const ageMs = performance.now() - (this.#last?.atMs ?? Number.NEGATIVE_INFINITY);
    if (this.#last?.key === key && ageMs < this.#keepMs) return { value: this.#last.value, ageMs };
    const atMs = performance.now();
    const value = await ask();
    this.#last = { key, atMs, value };
    return { value, ageMs: 0 };
  }
}
