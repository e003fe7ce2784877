/**
 * Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", 2015): a crowd of agents that
 * lost the same coordinator comes back spread out. `random` gives 0 to below 1.
 */
export function backoffMs(failures: number, baseMs: number, limitMs: number, random: () => number): number {
  const ceiling = Math.min(limitMs, baseMs * 2 ** Math.min(failures, 30));
  return Math.floor(random() * ceiling);
}
