import { jobIdOf, type TaskId } from '@capacloud/protocol/ids';
import { accept, refuse } from '@capacloud/protocol/result';
import { apiLimits } from '@capacloud/protocol/routes/routes';
import { type LogGap, logHeadBytes, logTailBytes } from '@capacloud/protocol/wire/receipt';
import { keptLogAttempts } from '../ports/task-logs.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Call, Handlers, RawAnswer } from './handler.ts';
import type { JobFeed } from './job-feed.ts';
import { PulledStream } from './pulled-stream.ts';
import { Bell, eventStream, heartbeat, heartbeatMs, lastEventId, serverEvent } from './server-events.ts';
import { findTask } from './task-handlers.ts';

const chunkBytes = 32 * 1024;
const stallMs = 30_000;
/** Of an attempt that has ended, the rest of the log is not waited for any more when nothing came for so long. */
const lastWordsMs = 30_000;
/** An agent may still bring what it has of an attempt that ended so long ago. */
const lateMs = 24 * 3600 * 1000;

export function taskLogHandlers(
  deps: ApiDependencies,
  feed: JobFeed,
  draining: AbortSignal,
): Handlers<'followLog' | 'appendLog'> {
  return {
    followLog: async (call) => {
      const { task, attempt } = call.params;
      const known = await findTask(deps, call.caller, task);
      if (known === undefined || attempt > known.attempts)
        return refuse(
          'request.not_found',
          `There is no attempt ${attempt} of ${task} that this key may see.`,
        );
      const resumed = lastEventId(call.headers['last-event-id']);
      const offset = resumed ?? call.query.offset ?? 0;
      if (!wantsEvents(call)) return accept(await bytesFrom(deps, task, attempt, offset));
      return accept(
        eventStream((signal) =>
          follow(deps, feed, { task, attempt, offset }, AbortSignal.any([signal, draining])),
        ),
      );
    },
    appendLog: async (call) => {
      const { task, attempt } = call.params;
      const row = await deps.store.getAttempt(task, attempt);
      const late = row?.endedAt !== undefined && call.at - row.endedAt > lateMs;
      if (row === undefined || row.node !== call.caller.node || late)
        return refuse('attempt.unknown', `Attempt ${attempt} of ${task} is not one of this node's.`);
      const bytes = await bytesOf(call.body);
      const { offset, final = false, gap_from: gapFrom } = call.query;
      const appended = await deps.logs.append(task, attempt, {
        offset,
        bytes,
        final,
        isSuperseded: attempt <= (await newestAttempt(deps, task)) - keptLogAttempts,
        ...(gapFrom === undefined ? {} : { gapFrom }),
      });
      if (appended.ok) return accept({ offset: appended.value.sizeBytes });
      if (appended.refusal.code === 'artifact.offset_mismatch') {
        const extent = await deps.logs.extent(task, attempt);
        call.setHeader('upload-offset', `${extent.sizeBytes}`);
      }
      return appended;
    },
  };
}

async function newestAttempt({ store }: ApiDependencies, task: TaskId): Promise<number> {
  return (await store.getTask(task))?.attempts ?? 0;
}

function wantsEvents(call: Call<'followLog'>): boolean {
  const { accept: wanted } = call.headers;
  return typeof wanted === 'string' && wanted.includes('text/event-stream');
}

/** The body is bounded by its Content-Length, which was checked. */
async function bytesOf(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    parts.push(part);
    length += part.length;
    if (length > apiLimits.logChunkBytes) break;
  }
  return Buffer.concat(parts);
}

async function bytesFrom(
  deps: ApiDependencies,
  task: TaskId,
  attempt: number,
  offset: number,
): Promise<RawAnswer> {
  const { gap, sizeBytes } = await deps.logs.extent(task, attempt);
  const start = pastGap(offset, gap);
  const missing = gap !== undefined && start < gap.to ? gap.to - gap.from : 0;
  async function* parts() {
    for (let at = start; at < sizeBytes; ) {
      const part = await deps.logs.read(task, attempt, at, Math.min(chunkBytes, sizeBytes - at));
      if (part.length === 0) return;
      at = pastGap(at + part.length, gap);
      yield part;
    }
  }
  return {
    status: 200,
    // What a container wrote is nobody's page: as text, and never guessed to be anything else.
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': `${Math.max(0, sizeBytes - start - missing)}`,
      ...(gap === undefined ? {} : { 'log-gap': `${gap.from}-${gap.to}` }),
    },
    body: new PulledStream(parts, stallMs),
  };
}

/** The offset of the next byte that is kept. */
function pastGap(offset: number, gap: LogGap | undefined): number {
  return gap !== undefined && offset >= gap.from ? Math.max(offset, gap.to) : offset;
}

interface LogPlace {
  readonly task: TaskId;
  readonly attempt: number;
  readonly offset: number;
}

/**
 * Event `log` with a piece of text, its id the offset after it; event `gap` where bytes were not kept, and once without an
 * end where a running attempt has written more than is sent while it runs; event `end` when nothing follows.
 */
async function* follow(
  deps: ApiDependencies,
  feed: JobFeed,
  { task, attempt, offset }: LogPlace,
  signal: AbortSignal,
): AsyncGenerator<string, void, void> {
  const bell = new Bell();
  const stops = [
    deps.logs.onAppended(task, attempt, () => bell.ring()),
    feed.watch(jobIdOf(task), () => bell.ring()),
  ];
  try {
    let at = offset;
    let isHeld = false;
    let hasWaited = false;
    let grownAt = 0;
    for (;;) {
      // Read before the bytes: what was final then has no more bytes than are read now.
      const { final, gap, sizeBytes } = await deps.logs.extent(task, attempt);
      const endedAt = (await deps.store.getAttempt(task, attempt))?.endedAt;
      // Nothing is kept of what comes now: where the gap ends is not known yet.
      const isGrowing = gap !== undefined && gap.to === sizeBytes && !final && endedAt === undefined;
      for (;;) {
        const past = isGrowing && at >= gap.from ? at : pastGap(at, gap);
        if (past > at) {
          yield serverEvent('gap', { from: at, to: past }, past);
          at = past;
        }
        const bytes = await deps.logs.read(task, attempt, at, chunkBytes);
        // A character that the end or the gap cuts will never be whole.
        const isCut = (final && bytes.length < chunkBytes) || at + bytes.length === gap?.from;
        const whole = isCut ? bytes.length : wholeCharacters(bytes);
        if (whole === 0) break;
        at += whole;
        if (hasWaited) grownAt = deps.now();
        yield serverEvent('log', Buffer.from(bytes.buffer, bytes.byteOffset, whole).toString('utf8'), at);
      }
      if (signal.aborted) return;
      const leftMs =
        endedAt === undefined ? heartbeatMs : Math.max(endedAt, grownAt) + lastWordsMs - deps.now();
      if (endedAt !== undefined && (final || leftMs <= 0)) {
        yield serverEvent('end', { offset: at }, at);
        return;
      }
      hasWaited = true;
      if ((await bell.wait(Math.min(heartbeatMs, leftMs), signal)) || signal.aborted) continue;
      yield heartbeat;
      if (isHeld || final || (!isGrowing && at < logHeadBytes + logTailBytes)) continue;
      isHeld = true;
      yield serverEvent('gap', { from: at }, at);
    }
  } finally {
    for (const stop of stops) stop();
  }
}

/** Bytes up to the last character that is not cut off; text that is not UTF-8 is not held back for ever. */
export function wholeCharacters(bytes: Uint8Array): number {
  const end = bytes.length;
  for (let back = 1; back <= Math.min(3, end); back++) {
    const byte = bytes[end - back] ?? 0;
    if (byte < 0x80) return end;
    if (byte < 0xc0) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return needed > back ? end - back : end;
  }
  return end;
}
