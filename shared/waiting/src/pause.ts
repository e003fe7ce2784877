/** The longest delay that timers take. A longer one would fire at once. */
export const longestPauseMs = 2 ** 31 - 1;

/** Resolves after `durationMs`; rejects with the signal's reason as soon as the signal is aborted. */
export function pause(durationMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (!(durationMs <= longestPauseMs)) throw new RangeError(`a pause cannot last ${durationMs} ms`);
    signal?.throwIfAborted();
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, durationMs);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
