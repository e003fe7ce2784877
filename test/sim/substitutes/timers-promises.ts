/** In the place of node:timers/promises: on the simulated globals. */
export function setTimeout<T>(
  delayMs?: number,
  value?: T,
  options: { readonly signal?: AbortSignal } = {},
): Promise<T | undefined> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(abortError(signal));
    const abort = () => {
      globalThis.clearTimeout(timer);
      if (signal !== undefined) reject(abortError(signal));
    };
    const timer = globalThis.setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    }, delayMs);
    signal?.addEventListener('abort', abort, { once: true });
  });
}

export function setImmediate<T>(value?: T): Promise<T | undefined> {
  return new Promise((resolve) => {
    globalThis.setImmediate(() => resolve(value));
  });
}

function abortError(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  error.name = 'AbortError';
  return error;
}
