import { abortable } from '@capacloud/waiting/abortable';
import { EngineUnavailable } from '../core/ports.ts';

/** Deadlines of engine calls. A hung engine must never block the agent (moby#42312). */
export const deadlines = {
  queryMs: 30_000,
  changeMs: 120_000,
  /** Longest silence inside a stream that ought to flow. */
  idleMs: 120_000,
} as const;

/** Slower than any disk should be, so that a transfer always ends. */
const slowestBytesPerSecond = 2_000_000;

/** The deadline of handing so much to the engine. */
export function transferMs(sizeBytes: number): number {
  return deadlines.changeMs + (sizeBytes / slowestBytesPerSecond) * 1000;
}

/** The largest delay of a timer. */
const maxTimerMs = 2 ** 31 - 1;

/** The HTTP status that the engine answered with; undefined when it did not answer. */
export function engineStatus(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;
}

/** The engine's own sentence, on one line and bounded. */
export function engineMessage(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replace(/^\(HTTP code \d+\) [^-]* - /, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 400);
}

function asEngineError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (engineStatus(error) !== undefined || error instanceof EngineUnavailable) return error;
  return new EngineUnavailable(`The container engine did not answer: ${engineMessage(error)}`, {
    cause: error,
  });
}

/**
 * One call with a deadline. Throws what the engine answered (with a status), EngineUnavailable when it did not
 * answer in time, or the signal's reason.
 */
export async function callEngine<T>(
  signal: AbortSignal,
  timeoutMs: number,
  action: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const both = AbortSignal.any([signal, AbortSignal.timeout(Math.min(maxTimerMs, Math.ceil(timeoutMs)))]);
  try {
    return await abortable(action(both), both);
  } catch (error) {
    throw asEngineError(error, signal);
  }
}

/** An open response. `close` drops the connection; it has to be called in the end. */
export interface EngineStream {
  readonly chunks: AsyncIterable<Buffer>;
  close(): void;
}

/**
 * A call whose response is read as a stream: `beginMs` until it begins, and `timeoutMs` for each silence in it.
 * Reading fails with EngineUnavailable when the connection breaks or falls silent.
 */
export async function openEngineStream(
  signal: AbortSignal,
  timeoutMs: number,
  action: (abortSignal: AbortSignal) => Promise<NodeJS.ReadableStream>,
  beginMs = timeoutMs,
): Promise<EngineStream> {
  const controller = new AbortController();
  const both = AbortSignal.any([signal, controller.signal]);
  const stream = await callEngine(both, beginMs, () => action(both)).catch((error: unknown) => {
    controller.abort();
    throw asEngineError(error, signal);
  });
  // Errors reach the reader below; without a listener one that comes after it left would end the process.
  stream.on('error', () => undefined);
  const close = () => controller.abort();
  return { chunks: readWithIdleLimit(stream, timeoutMs, controller, signal), close };
}

async function* readWithIdleLimit(
  stream: NodeJS.ReadableStream,
  idleMs: number,
  controller: AbortController,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let waiting = true;
  // The reader may take its time over a chunk; only the engine's silence counts.
  const timer = setTimeout(() => {
    if (waiting) controller.abort(new Error(`nothing came for ${idleMs} ms`));
    else timer.refresh();
  }, idleMs);
  try {
    for await (const chunk of stream) {
      waiting = false;
      yield Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
      waiting = true;
      timer.refresh();
    }
  } catch (error) {
    throw asEngineError(error, signal);
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}
