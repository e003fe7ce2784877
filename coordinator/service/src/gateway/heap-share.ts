import { getHeapStatistics } from 'node:v8';

/** Asking costs some microseconds, and crowds ask thousands of times a second. */
const cachedMs = 100;

/** Gives how much of the heap that the process may have is used, from 0 to 1. */
export function heapGauge(): () => number {
  let share = 0;
  let askedAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = performance.now();
    if (now - askedAt < cachedMs) return share;
    const { heap_size_limit: limit, used_heap_size: used } = getHeapStatistics();
    askedAt = now;
    share = used / limit;
    return share;
  };
}
