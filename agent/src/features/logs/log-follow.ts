import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type AttemptKey, attemptKeyText, EngineUnavailable, type LogChunk } from '../../core/ports.ts';
import { containerName } from '../../engine/attempt-names.ts';
import { waitForEnd } from '../../engine/containers.ts';
import type { Engine } from '../../engine/engine.ts';
import type { EngineStream } from '../../engine/engine-call.ts';
import { LogFrames, LogInterrupted } from './log-frames.ts';
import {
  formatLogPosition,
  LogCursor,
  type LogPosition,
  logStart,
  parseLogPosition,
  sinceOf,
} from './log-position.ts';

/** A silent stream is opened anew after this time: a broken connection may look like silence. */
const silenceMs = 60_000;
/** A stream that says nothing for so long after the container has ended is not waited for: see `closeAfterEnd`. */
const endSilenceMs = 500;
const retryMs = 250;
const saveEveryBytes = 2 ** 20;
const saveEveryMs = 1000;

/** Positions of logs on disk. Losing one costs a longer search, never a byte twice. */
export class LogPositions {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async load(key: AttemptKey): Promise<LogPosition> {
    const text = await readFile(this.#file(key), 'utf8').catch(() => '');
    return parseLogPosition(text) ?? logStart;
  }

  async save(key: AttemptKey, position: LogPosition): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const file = this.#file(key);
    await writeFile(`${file}.new`, formatLogPosition(position), { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  async drop(key: AttemptKey): Promise<void> {
    await rm(this.#file(key), { force: true });
    await rm(`${this.#file(key)}.new`, { force: true });
  }

  #file(key: AttemptKey): string {
    return join(this.#directory, attemptKeyText(key));
  }
}

/** Notes the position now and then; it may lag behind what was handed over, but is never ahead of it. */
class PositionNotes {
  #bytes = 0;
  #atMs = 0;
  readonly #save: (position: LogPosition) => Promise<void>;

  constructor(save: (position: LogPosition) => Promise<void>) {
    this.#save = save;
  }

  async note(cursor: LogCursor, bytes: number): Promise<void> {
    this.#bytes += bytes;
    const nowMs = Date.now();
    if (this.#bytes < saveEveryBytes && nowMs - this.#atMs < saveEveryMs) return;
    this.#bytes = 0;
    this.#atMs = nowMs;
    await this.#save(cursor.position());
  }
}

type Sink = (chunk: LogChunk) => Promise<void>;

interface FollowOptions {
  readonly skipBytes: number;
  readonly positions: LogPositions;
  readonly sink: Sink;
}

interface Reading {
  readonly engine: Engine;
  readonly key: AttemptKey;
  readonly cursor: LogCursor;
  readonly notes: PositionNotes;
  readonly sink: Sink;
}

/**
 * Hands over the container's log after the first `skipBytes` payload bytes, across breaks of the connection, until
 * the container has ended and all was read. At most one chunk is in memory: the sink is awaited.
 */
export async function followLog(
  engine: Engine,
  key: AttemptKey,
  { skipBytes, positions, sink }: FollowOptions,
  signal: AbortSignal,
): Promise<void> {
  const known = await positions.load(key);
  // A position beyond what was kept is of no use: the bytes between are still wanted.
  const cursor = new LogCursor(known.totalBytes <= skipBytes ? known : logStart, skipBytes);
  const notes = new PositionNotes((position) => positions.save(key, position));
  const reading = { engine, key, cursor, notes, sink };
  for (;;) {
    signal.throwIfAborted();
    try {
      const state = await containerState(engine, key, signal);
      if (state === 'absent') return;
      await readOnce(reading, state === 'running', signal);
      if (state === 'ended') return;
    } catch (error) {
      if (!(error instanceof EngineUnavailable || error instanceof LogInterrupted)) throw error;
    }
    cursor.rewind();
    await delay(retryMs, undefined, { signal });
  }
}

async function containerState(engine: Engine, key: AttemptKey, signal: AbortSignal) {
  const info = await engine.inspectContainer(containerName(key), signal);
  if (info === undefined) return 'absent';
  return info.State.Running || info.State.Status === 'created' ? 'running' : 'ended';
}

async function readOnce(
  { engine, key, cursor, notes, sink }: Reading,
  running: boolean,
  signal: AbortSignal,
): Promise<void> {
  const since = sinceOf(cursor.position());
  const stream = await engine.followLogs(containerName(key), { since, idleMs: silenceMs }, signal);
  const frames = new LogFrames();
  const over = new AbortController();
  let quietSinceMs = performance.now();
  const quietMs = () => performance.now() - quietSinceMs;
  const closing = running
    ? closeAfterEnd({ engine, key }, stream, quietMs, AbortSignal.any([signal, over.signal]))
    : undefined;
  try {
    for await (const chunk of stream.chunks) {
      // A slow sink is no silence of the stream.
      quietSinceMs = Number.POSITIVE_INFINITY;
      for (const piece of frames.take(chunk)) {
        const bytes = cursor.take(piece.timestamp, piece.bytes);
        if (bytes.length === 0) continue;
        await sink({ stream: piece.stream, bytes });
        await notes.note(cursor, bytes.length);
      }
      quietSinceMs = performance.now();
    }
  } finally {
    stream.close();
    over.abort();
    await closing;
  }
}

/**
 * Engines have been seen not to end a followed log whose container has ended, after a rotation. So the end is
 * watched for as well; what the stream still owed is read anew afterwards.
 */
async function closeAfterEnd(
  { engine, key }: Pick<Reading, 'engine' | 'key'>,
  stream: EngineStream,
  quietMs: () => number,
  signal: AbortSignal,
): Promise<void> {
  try {
    while ((await containerState(engine, key, signal)) === 'running')
      await waitForEnd(engine, containerName(key), silenceMs, signal);
    while (quietMs() < endSilenceMs) await delay(endSilenceMs, undefined, { signal });
    stream.close();
  } catch {
    // The stream ended first, or the engine is away and the stream with it.
  }
}
