/** Two lanes of 32 bits over everything that happens: equal for equal runs, and cheap enough for every event. */
export class Trace {
  #low = 0xdeadbeef;
  #high = 0x41c6ce57;
  #events = 0;
  readonly #kept: string[] = [];
  readonly #keep: number;

  /** `keep`: how many of the last lines are kept as text. */
  constructor(keep: number) {
    this.#keep = keep;
  }

  get events(): number {
    return this.#events;
  }

  add(atMs: number, actor: string, kind: string): void {
    this.#events += 1;
    this.#mix(Math.floor(atMs * 1000) | 0);
    this.#text(actor);
    this.#text(kind);
    if (this.#keep > 0) this.note(atMs, actor, kind);
  }

  /** A line for the reader that is no event of its own. */
  note(atMs: number, actor: string, text: string): void {
    if (this.#keep === 0) return;
    this.#kept.push(`${(atMs / 1000).toFixed(6).padStart(12)}  ${actor.padEnd(14)} ${text}`);
    if (this.#kept.length > 2 * this.#keep) this.#kept.splice(0, this.#keep);
  }

  lines(): readonly string[] {
    return this.#kept.slice(-this.#keep);
  }

  hash(): string {
    const hex = (lane: number) => (lane >>> 0).toString(16).padStart(8, '0');
    return `${hex(this.#high ^ (this.#high >>> 15))}${hex(this.#low ^ (this.#low >>> 13))}`;
  }

  #text(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i));
  }

  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x9e3779b1);
    this.#high = Math.imul(this.#high ^ value ^ (this.#low >>> 16), 0x85ebca77);
  }
}
