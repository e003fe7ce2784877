/** Chooses victims and moments. What the processes make of it is not repeatable; what is done to them is. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    // xorshift32 stays at zero for ever.
    this.#state = seed >>> 0 || 1;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#state >>>= 0;
    return low + (this.#state % (high - low + 1));
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.between(0, items.length - 1)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}
