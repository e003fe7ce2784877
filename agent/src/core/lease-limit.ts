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
