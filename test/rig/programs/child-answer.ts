import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** The next message of a forked process; rejects when it ends before, or when the signal is aborted. */
export async function nextMessage<T>(child: ChildProcess, what: string, signal?: AbortSignal): Promise<T> {
  const over = new AbortController();
  const until = { signal: signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]) };
  if (child.exitCode !== null || child.signalCode !== null) throw ended(what, child);
  const died = once(child, 'exit', until).then(() => {
    throw ended(what, child);
  });
  died.catch(() => undefined);
  try {
    const [message] = (await Promise.race([once(child, 'message', until), died])) as [T];
    return message;
  } finally {
    over.abort();
  }
}

function ended(what: string, { exitCode, signalCode }: ChildProcess): Error {
  return new Error(`${what} ended with ${String(exitCode ?? signalCode)}`);
}
