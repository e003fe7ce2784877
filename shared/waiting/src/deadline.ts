import { abortable } from './abortable.ts';

export interface Deadline {
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** What the wait rejects with when the time is up. */
  readonly error: () => Error;
}

/**
 * Runs `work` under a hard deadline. The wait ends in time even when the work hangs and ignores its signal, which is
 * aborted by the deadline and by the caller's signal.
 */
export async function withDeadline<T>(
  { limitMs, signal, error }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(error()), limitMs);
  const limit = AbortSignal.any([signal, late.signal]);
  try {
    return await abortable(work(limit), limit);
  } finally {
    clearTimeout(timer);
  }
}
