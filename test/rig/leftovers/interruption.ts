const lookEveryMs = 500;

/**
 * Aborts when the run is to end: by a signal, when nobody reads its output any more, or when the process that started it
 * is gone, which may have been killed before it could pass a signal on.
 */
export function watchInterruption(): AbortController {
  const interruption = new AbortController();
  const end = (why: string): void => interruption.abort(new Error(`interrupted by ${why}`));
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => end(name));
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', () => end('the end of its output'));
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) end('the end of its parent');
  }, lookEveryMs).unref();
  return interruption;
}
