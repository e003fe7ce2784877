/**
 * Waits for `work`, but no longer than `limitMs`; which of the two ended the wait is not told. Rejects as the work does
 * when it fails in time. A later failure of it is ignored here, and no timer stays.
 */
export async function waitAtMost(limitMs: number, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, limitMs);
  try {
    await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
