import { hash32 } from '@capacloud/core/hash32';

/** How long something takes, in milliseconds. */
export type Distribution =
  | { readonly kind: 'fixed'; readonly ms: number }
  | { readonly kind: 'exponential'; readonly meanMs: number }
  | { readonly kind: 'lognormal'; readonly medianMs: number; readonly p95Ms: number };

/** Of the standard normal distribution. */
const p95Deviations = 1.6448536269514722;

/**
 * A stream of chance (sfc32) that follows from the seed and a name. Everything that is drawn has a name of its own, so that
 * variants of a scenario meet the same arrivals, run times and failures, whatever their rules make of them.
 */
export class Draws {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, name: string) {
    this.#a = hash32(`${seed} ${name}`);
    this.#b = hash32(`${name} ${seed}`);
    this.#c = seed >>> 0;
    for (let n = 0; n < 12; n++) this.next();
  }

  /** At least 0 and less than 1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  }

  /** A whole number below the bound. */
  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  exponentialMs(meanMs: number): number {
    return -meanMs * Math.log(1 - this.next());
  }

  /** Whole milliseconds. */
  durationMs(distribution: Distribution): number {
    switch (distribution.kind) {
      case 'fixed':
        return distribution.ms;
      case 'exponential':
        return Math.round(this.exponentialMs(distribution.meanMs));
      case 'lognormal': {
        const { medianMs, p95Ms } = distribution;
        const sigma = Math.log(p95Ms / medianMs) / p95Deviations;
        return Math.round(medianMs * Math.exp(sigma * this.#normal()));
      }
    }
  }

  /** Box and Muller's. */
  #normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    return radius * Math.cos(2 * Math.PI * this.next());
  }
}
