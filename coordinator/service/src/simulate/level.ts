/** A quantity that changes in steps, and its area over time. */
export class Level {
  value = 0;
  #area = 0;
  #since: number;

  constructor(at: number) {
    this.#since = at;
  }

  change(at: number, by: number): void {
    this.#advance(at);
    this.value += by;
  }

  /** The area since it was last taken, in units times milliseconds. */
  take(at: number): number {
    this.#advance(at);
    const area = this.#area;
    this.#area = 0;
    return area;
  }

  #advance(at: number): void {
    this.#area += this.value * (at - this.#since);
    this.#since = at;
  }
}
