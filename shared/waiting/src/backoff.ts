/** A retry policy. Each user names its own, because the numbers follow from what is retried. */
export interface Backoff {
  /** The pause is never shorter. Default 0. */
  readonly floorMs?: number;
  /** Bound of the random part before the first failure; it doubles with each failure in a row. */
  readonly baseMs: number;
  /** The random part never exceeds it. */
  readonly limitMs: number;
}

/**
 * The pause after a number of failures in a row: exponential backoff with full jitter (Brooker, "Exponential Backoff And
 * Jitter", 2015), so that a crowd that lost the same peer comes back spread out. `random` returns 0 to below 1.
 */
export function backoffMs(
  { floorMs = 0, baseMs, limitMs }: Backoff,
  failures: number,
  random: () => number,
): number {
  const ceilingMs = Math.min(limitMs, baseMs * 2 ** Math.min(failures, 30));
  return floorMs + Math.floor(random() * ceilingMs);
}
