/**
 * Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", 2015): a crowd of agents that
 * lost the same coordinator comes back spread out. `random` gives 0 to below 1.
 */
export function backoffMs(failures: number, baseMs: number, limitMs: number, random: () => number): number {
  const ceiling = Math.min(limitMs, baseMs * 2 ** Math.min(failures, 30));
  return Math.floor(random() * ceiling);
}

/** Tries that a node makes, at least, in what is left of its lease; with the jitter it is about twice as many. */
const triesInLease = 6;
const shortestLimitMs = 1000;

/**
 * The longest pause between connections of a node that holds work: two long ones in a row would otherwise let its lease
 * lapse, and stop its containers, while the coordinator was only restarting.
 */
export function leaseLimitMs(limitMs: number, leaseLeftMs: number | undefined): number {
  if (leaseLeftMs === undefined || leaseLeftMs <= 0) return limitMs;
  return Math.min(limitMs, Math.max(shortestLimitMs, leaseLeftMs / triesInLease));
}
