import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isJobId, type JobId, jobIdOf, type TaskId } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import { type LogGap, logTailBytes } from '@capacloud/protocol/wire/receipt';
import { keptLogAttempts, type LogChunk, type LogExtent, type TaskLogs } from '../ports/task-logs.ts';
import { folderSize, type LogBook, logFileBytes } from './log-book.ts';
import { ignoreMissing, LogFiles, type LogTail } from './log-files.ts';
import { storeFailure } from './store-failure.ts';

/** Output that is kept in one piece; an agent of an earlier release stops at 16 MiB and adds a line that says so. */
export const maxLogBytes = 16 * 2 ** 20 + 4096;
/** Beyond the end that an agent keeps. */
const spareBytes = 4096;
/** Attempts at once of whose output something is not kept. One that is forgotten is sent again from there. */
const maxDropping = 20_000;

/**
 * Logs of attempts in files; see LogFiles. What finds no room is taken from the agent all the same, and is the gap of the log
 * then: a task never waits for its log, and never fails by it.
 * Not synced: a line lost with the machine is no promise broken, and the offset tells the agent where to go on.
 */
export class DiskTaskLogs implements TaskLogs {
  readonly #folder: string;
  readonly #book: LogBook;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #queues = new Map<string, Promise<unknown>>();
  /** What is not kept of logs that still grow. It is written down when something is kept behind it, or at the end. */
  readonly #dropping = new Map<string, LogGap>();

  constructor(folder: string, book: LogBook) {
    this.#folder = folder;
    this.#book = book;
  }

  append(task: TaskId, attempt: number, chunk: LogChunk): Promise<Result<LogExtent>> {
    const key = keyOf(task, attempt);
    const before = this.#queues.get(key) ?? Promise.resolve();
    const work = before.then(() => this.#append(task, attempt, chunk));
    // The next append waits for this one, whatever becomes of it.
    const settled = work.then(
      () => undefined,
      () => undefined,
    );
    this.#queues.set(key, settled);
    void settled.then(() => {
      if (this.#queues.get(key) === settled) this.#queues.delete(key);
    });
    return work;
  }

  async extent(task: TaskId, attempt: number): Promise<LogExtent> {
    const files = this.#filesOf(task, attempt);
    const head = await files.head();
    const dropping = this.#dropping.get(keyOf(task, attempt));
    if (dropping !== undefined) return { sizeBytes: dropping.to, final: false, gap: dropping };
    return extentOf(head, await files.tail());
  }

  async read(task: TaskId, attempt: number, offset: number, limit: number): Promise<Uint8Array> {
    const files = this.#filesOf(task, attempt);
    const dropping = this.#dropping.get(keyOf(task, attempt));
    const tail = dropping === undefined ? await files.tail() : undefined;
    if (tail !== undefined && offset >= tail.to) return files.readTail(offset - tail.to, limit);
    const end = dropping?.from ?? tail?.from;
    const length = end === undefined ? limit : Math.min(limit, end - offset);
    return length <= 0 ? new Uint8Array() : files.readHead(offset, length);
  }

  onAppended(task: TaskId, attempt: number, listener: () => void): () => void {
    const key = keyOf(task, attempt);
    const listeners = this.#listeners.get(key) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(key, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(key);
    };
  }

  async removeJob(job: JobId): Promise<number> {
    const bytes = await this.#book.forget(job);
    await rm(join(this.#folder, job), { recursive: true, force: true });
    return bytes;
  }

  /** Removes the logs of jobs in whose folder nothing was written since `before` (Unix ms); gives their number. */
  async collect(before: number, signal: AbortSignal): Promise<number> {
    let removed = 0;
    for (const job of (await readdir(this.#folder).catch(ignoreMissing)) ?? []) {
      if (signal.aborted) break;
      if ((await folderSize(join(this.#folder, job))).newestMs >= before) continue;
      if (isJobId(job)) await this.removeJob(job);
      else await rm(join(this.#folder, job), { recursive: true, force: true });
      removed += 1;
    }
    return removed;
  }

  async #append(task: TaskId, attempt: number, chunk: LogChunk): Promise<Result<LogExtent>> {
    const { bytes, final, gapFrom, isSuperseded, offset } = chunk;
    // The newest attempts have the room; what comes of this one is taken and not kept.
    if (isSuperseded === true) return accept({ sizeBytes: offset + bytes.length, final });
    const key = keyOf(task, attempt);
    const files = this.#filesOf(task, attempt);
    if (gapFrom !== undefined) await this.#jump(task, attempt, { from: gapFrom, to: offset });
    const before = await this.extent(task, attempt);
    if (before.sizeBytes !== offset || (before.final && bytes.length > 0))
      return refuse('artifact.offset_mismatch', `The log stands at byte ${before.sizeBytes}, not ${offset}.`);
    const tail = await files.tail();
    const room = tail === undefined ? maxLogBytes : logTailBytes + spareBytes;
    const kept = tail === undefined ? (before.gap?.from ?? offset) : tail.sizeBytes;
    if (kept + bytes.length > room && before.gap?.to !== offset)
      return refuse('request.too_large', `At most ${room} bytes of a log are kept in one piece.`);
    if (before.final) return accept(before);
    if (offset === 0) await this.#removeOld(task, attempt);
    const place = { key, task, files, tail, room };
    await this.#keep(place, chunk).catch((error: unknown) => this.#lose(place, chunk, error));
    for (const listener of this.#listeners.get(key) ?? []) listener();
    return accept({ ...before, sizeBytes: offset + bytes.length, final });
  }

  /** Writes what there is room for, and notes the rest as the gap. */
  async #keep({ files, key, room, tail, task }: Place, { bytes, final, offset }: LogChunk): Promise<void> {
    const dropping = this.#dropping.get(key);
    const before = dropping?.from ?? tail?.from ?? offset;
    const size = before + (tail?.sizeBytes ?? 0);
    const most = tail === undefined ? room : tail.from + room;
    const demand = { bytes: bytes.length, kept: size, most, isEnd: final, isNew: before === 0 };
    const fitting = bytes.length === 0 ? 0 : await this.#book.take(task, demand);
    try {
      if (fitting === bytes.length && dropping === undefined) {
        if (tail === undefined) await files.writeHead(bytes, offset);
        else await files.writeTail(bytes, tail.sizeBytes);
      } else if (final || (dropping !== undefined && fitting === bytes.length && fitting > 0)) {
        // Not even a file: the log is as one that never came.
        const isNothing = before === 0 && fitting === 0 && !this.#book.hasDisk;
        if (!isNothing) await this.#keepEnd(files, before, { bytes, fitting, offset });
        // Where its end could not be written, the gap goes on from where it began.
        this.#dropping.delete(key);
        if (isNothing) return;
        if (tail !== undefined) await this.#book.giveBack(jobIdOf(task), tail.sizeBytes);
      } else {
        const isHead = dropping === undefined && tail === undefined;
        if (isHead && fitting > 0) await files.writeHead(bytes.subarray(0, fitting), offset);
        else await this.#book.giveBack(jobIdOf(task), fitting + (tail?.sizeBytes ?? 0));
        if (tail !== undefined) await files.removeTail();
        this.#drop(key, { from: isHead ? offset + fitting : before, to: offset + bytes.length });
      }
      if (final) await files.finish();
    } catch (error) {
      // A file that is still empty counts again with the next bytes.
      const file = before === 0 && fitting > 0 ? logFileBytes : 0;
      await this.#book.giveBack(jobIdOf(task), fitting + file);
      throw error;
    }
  }

  /** The disk has no room after all: what comes is not kept. */
  async #lose({ files, key, tail, task }: Place, { bytes, offset }: LogChunk, error: unknown): Promise<void> {
    if (storeFailure(error)?.code !== 'artifact.store_full') throw error;
    const from = this.#dropping.get(key)?.from ?? tail?.from ?? offset;
    await files.removeTail();
    await this.#book.giveBack(jobIdOf(task), tail?.sizeBytes ?? 0);
    this.#drop(key, { from, to: offset + bytes.length });
  }

  /** What fits of the bytes' end is kept behind a gap that begins at `from`. */
  async #keepEnd(
    files: LogFiles,
    from: number,
    {
      bytes,
      fitting,
      offset,
    }: { readonly bytes: Uint8Array; readonly fitting: number; readonly offset: number },
  ): Promise<void> {
    if (from === 0) await files.writeHead(new Uint8Array(), 0);
    await files.beginTail({ from, to: offset + bytes.length - fitting });
    if (fitting > 0) await files.writeTail(bytes.subarray(bytes.length - fitting), 0);
  }

  /** The first chunk of an end makes its file; where it is not to begin there, nothing happens, and the offset will differ. */
  async #jump(task: TaskId, attempt: number, { from, to }: LogGap): Promise<void> {
    const key = keyOf(task, attempt);
    const files = this.#filesOf(task, attempt);
    const head = await files.head();
    const dropping = this.#dropping.get(key);
    if (head.final || to < from) return;
    if (dropping !== undefined) {
      if (to > dropping.to) this.#drop(key, { from: dropping.from, to });
      return;
    }
    const tail = await files.tail();
    // A log has one gap: what was kept behind an earlier one of ours is in the larger one now.
    const begin = tail === undefined ? from : tail.from;
    if (tail !== undefined && to <= tail.to + tail.sizeBytes) return;
    if (head.sizeBytes < begin || head.sizeBytes === 0) return;
    await files.beginTail({ from: begin, to });
    await this.#book.giveBack(jobIdOf(task), (tail?.sizeBytes ?? 0) + head.sizeBytes - begin);
  }

  #drop(key: string, gap: LogGap): void {
    this.#dropping.delete(key);
    this.#dropping.set(key, gap);
    if (this.#dropping.size <= maxDropping) return;
    const [oldest] = this.#dropping.keys();
    if (oldest !== undefined) this.#dropping.delete(oldest);
  }

  /** Of the task, the logs of the newest attempts are kept. */
  async #removeOld(task: TaskId, attempt: number): Promise<void> {
    const last = attempt - keptLogAttempts;
    // An attempt in between may have had no log.
    for (let old = last; old > 0 && old > last - keptLogAttempts; old--) {
      const bytes = await this.#filesOf(task, old).remove();
      this.#dropping.delete(keyOf(task, old));
      await this.#book.giveBack(jobIdOf(task), bytes);
    }
  }

  #filesOf(task: TaskId, attempt: number): LogFiles {
    return new LogFiles(this.#folder, task, attempt);
  }
}

interface Place {
  readonly key: string;
  readonly task: TaskId;
  readonly files: LogFiles;
  readonly tail: LogTail | undefined;
  readonly room: number;
}

function extentOf(head: LogExtent, tail: LogTail | undefined): LogExtent {
  if (tail === undefined) return head;
  const { from, sizeBytes, to } = tail;
  return { sizeBytes: to + sizeBytes, final: head.final, ...(to > from ? { gap: { from, to } } : {}) };
}

function keyOf(task: TaskId, attempt: number): string {
  return `${task}/${attempt}`;
}
