/** Lets `burst` pass at once and `perSecond` in the long run. Costs two numbers and no timer. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: number;

  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /** Takes tokens, one by default; false when there are not as many. A clock that steps back adds nothing. */
  take(nowMs: number, count = 1): boolean {
    if (!this.has(nowMs, count)) return false;
    this.#tokens -= count;
    return true;
  }

  has(nowMs: number, count = 1): boolean {
    this.#fill(nowMs);
    return this.#tokens >= count;
  }

  /** Takes tokens that may not be there yet; those who ask next wait until the debt is paid. */
  charge(nowMs: number, count = 1): void {
    this.#fill(nowMs);
    this.#tokens -= count;
  }

  /** Until so many tokens are there. */
  waitMs(nowMs: number, count = 1): number {
    this.#fill(nowMs);
    return Math.max(0, Math.ceil((count - this.#tokens) / this.#perMs));
  }

  #fill(nowMs: number): void {
    const gained = Math.max(0, nowMs - this.#filledAtMs) * this.#perMs;
    this.#filledAtMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
  }
}
