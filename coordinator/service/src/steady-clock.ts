import { uptime } from 'node:os';

/**
 * How much faster or slower than real time it may run to come back to the wall clock. Leases are counted from it, and
 * a coordinator whose hour is 3 minutes short must still outwait its agents: by default their lease is 60 s and its
 * margin 5 s, which is 8 %.
 */
const slew = 0.05;
const lookMs = 1000;

export interface ClockSources {
  /** Unix milliseconds; may jump. */
  readonly wallMs: () => number;
  /** Since some moment; never jumps, and counts the time that the machine is suspended. */
  readonly elapsedMs: () => number;
}

/**
 * Unix milliseconds that neither jump nor run backwards: the wall clock as it was at the start, from then on in steps
 * of real time, and back to the wall clock little by little where somebody has set it. A machine whose clock is put
 * forward by ten minutes would otherwise count every node as lost and every program as too slow.
 */
export class SteadyClock {
  readonly #sources: ClockSources;
  #atMs: number;
  #elapsedMs: number;

  constructor(sources: ClockSources = systemSources()) {
    this.#sources = sources;
    this.#atMs = sources.wallMs();
    this.#elapsedMs = sources.elapsedMs();
  }

  /** For a log whose newest entry is younger than the wall clock says: its time goes on from there. */
  notBefore(atMs: number): void {
    this.#atMs = Math.max(this.#atMs, atMs);
  }

  readonly now = (): number => {
    const elapsedMs = this.#sources.elapsedMs();
    const stepMs = Math.max(0, elapsedMs - this.#elapsedMs);
    this.#elapsedMs = elapsedMs;
    const errorMs = this.#sources.wallMs() - (this.#atMs + stepMs);
    this.#atMs += stepMs + Math.max(-stepMs * slew, Math.min(stepMs * slew, errorMs));
    return Math.floor(this.#atMs);
  };
}

function systemSources(): ClockSources {
  // Node's own clock stands still while the machine is suspended, and is cheap; the uptime does not, and is not.
  const bootMs = (): number => uptime() * 1000 - performance.now();
  const atStartMs = bootMs();
  let suspendedMs = 0;
  let lookedAtMs = performance.now();
  return {
    wallMs: Date.now,
    elapsedMs: () => {
      const ownMs = performance.now();
      if (ownMs - lookedAtMs >= lookMs) {
        lookedAtMs = ownMs;
        const behindMs = bootMs() - atStartMs;
        // The uptime has hundredths of a second; less than a second is no suspension.
        if (behindMs - suspendedMs >= lookMs) suspendedMs = behindMs;
      }
      return ownMs + suspendedMs;
    },
  };
}
