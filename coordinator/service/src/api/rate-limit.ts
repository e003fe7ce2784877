/** A sustained rate and the burst above it. */
export interface RatePolicy {
  readonly perSecond: number;
  readonly burst: number;
}

export interface RateDecision {
  readonly allowed: boolean;
  readonly remaining: number;
  /** Whole seconds until one more call is allowed (when refused) or the bucket is full again. */
  readonly resetS: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/**
 * Token buckets by key. Bounded: when `maxKeys` are known the one unused for longest is forgotten, which favours
 * a flood of new keys with a full bucket each, but never grows the heap.
 */
export class TokenBuckets {
  readonly policy: RatePolicy;
  readonly #maxKeys: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** `now` is a clock in milliseconds. */
  constructor(policy: RatePolicy, maxKeys: number, now: () => number) {
    this.policy = policy;
    this.#maxKeys = maxKeys;
    this.#now = now;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes one token of the key's bucket. */
  take(key: string): RateDecision {
    const bucket = this.#bucketOf(key);
    const { perSecond, burst } = this.policy;
    if (bucket.tokens < 1)
      return { allowed: false, remaining: 0, resetS: Math.ceil((1 - bucket.tokens) / perSecond) };
    bucket.tokens -= 1;
    return {
      allowed: true,
      remaining: Math.floor(bucket.tokens),
      resetS: Math.ceil((burst - bucket.tokens) / perSecond),
    };
  }

  /** Takes tokens that may not be there: the calls that follow wait until the debt is paid. */
  charge(key: string, tokens: number): void {
    this.#bucketOf(key).tokens -= tokens;
  }

  #bucketOf(key: string): Bucket {
    const at = this.#now();
    const { perSecond, burst } = this.policy;
    const known = this.#buckets.get(key);
    if (known === undefined) {
      if (this.#buckets.size >= this.#maxKeys) this.#forgetOldest();
      const bucket = { tokens: burst, at };
      this.#buckets.set(key, bucket);
      return bucket;
    }
    const elapsedMs = Math.max(0, at - known.at);
    known.tokens = Math.min(burst, known.tokens + (elapsedMs * perSecond) / 1000);
    // Order of insertion is order of use, in steps of a second: re-inserting at every call would cost more than the call.
    if (elapsedMs >= 1000) {
      this.#buckets.delete(key);
      this.#buckets.set(key, known);
    }
    known.at = at;
    return known;
  }

  #forgetOldest(): void {
    for (const key of this.#buckets.keys()) {
      this.#buckets.delete(key);
      return;
    }
  }
}
