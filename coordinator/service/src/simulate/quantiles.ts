/** Neighbouring buckets differ by this factor, so that a quantile is wrong by half of a hundredth at most. */
const growth = 1.01;
const logGrowth = Math.log(growth);

/**
 * Quantiles of many durations in bounded memory: counts in buckets whose bounds grow by a hundredth, about 2,200 of them
 * from a millisecond to a month. Count, mean and the greatest are exact.
 */
export class Quantiles {
  readonly #buckets: number[] = [];
  count = 0;
  #sumMs = 0;
  maxMs = 0;

  add(ms: number): void {
    const bucket = ms < 1 ? 0 : 1 + Math.floor(Math.log(ms) / logGrowth);
    while (this.#buckets.length <= bucket) this.#buckets.push(0);
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.count += 1;
    this.#sumMs += ms;
    if (ms > this.maxMs) this.maxMs = ms;
  }

  get meanMs(): number {
    return this.count === 0 ? 0 : this.#sumMs / this.count;
  }

  /** The middle of the bucket that holds it; 0 when nothing was added. */
  at(part: number): number {
    const rank = Math.max(1, Math.ceil(part * this.count));
    let seen = 0;
    for (const [bucket, count] of this.#buckets.entries()) {
      seen += count;
      if (seen < rank) continue;
      return bucket === 0 ? 0 : Math.min(this.maxMs, Math.round(growth ** (bucket - 0.5)));
    }
    return 0;
  }
}
