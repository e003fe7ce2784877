import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { jobIdOf, type TaskId, taskIndexOf } from '@capacloud/protocol/ids';
import { type LogGap, logTailBytes } from '@capacloud/protocol/receipt';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { LogChunk, LogExtent, TaskLogs } from '../ports/task-logs.ts';

/** Output that is kept in one piece; an agent of an earlier release stops at 16 MiB and adds a line that says so. */
export const maxLogBytes = 16 * 2 ** 20 + 4096;

/** The end of a long log, in a file of its own that begins with the gap before it, 8 bytes each. */
interface Tail extends LogGap {
  readonly sizeBytes: number;
}
const gapBytes = 16;

/**
 * One file an attempt: <folder>/<job>/<index>-<attempt>.log, renamed to end in .final.log once nothing follows. Behind a gap
 * the log goes on in <index>-<attempt>.tail.log; of the first file only what lies before the gap counts then.
 * Not synced: a line lost with the machine is no promise broken, and the offset tells the agent where to go on.
 */
export class DiskTaskLogs implements TaskLogs {
  readonly #folder: string;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(folder: string) {
    this.#folder = folder;
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
    const head = await this.#headExtent(task, attempt);
    const tail = await this.#tailOf(task, attempt);
    if (tail === undefined) return head;
    const { from, sizeBytes, to } = tail;
    return { sizeBytes: to + sizeBytes, final: head.final, ...(to > from ? { gap: { from, to } } : {}) };
  }

  async read(task: TaskId, attempt: number, offset: number, limit: number): Promise<Uint8Array> {
    const tail = await this.#tailOf(task, attempt);
    if (tail !== undefined && offset >= tail.to)
      return readFrom(
        await open(this.#tailPathOf(task, attempt)).catch(ignoreMissing),
        gapBytes + offset - tail.to,
        limit,
      );
    const length = tail === undefined ? limit : Math.min(limit, tail.from - offset);
    if (length <= 0) return new Uint8Array();
    const file =
      (await open(this.#pathOf(task, attempt, false)).catch(ignoreMissing)) ??
      (await open(this.#pathOf(task, attempt, true)).catch(ignoreMissing));
    return readFrom(file, offset, length);
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

  /** Removes the logs of jobs in whose folder nothing was written since `before` (Unix ms); gives their number. */
  async collect(before: number, signal: AbortSignal): Promise<number> {
    let removed = 0;
    for (const job of (await readdir(this.#folder).catch(ignoreMissing)) ?? []) {
      if (signal.aborted) break;
      if ((await newestIn(join(this.#folder, job))) >= before) continue;
      await rm(join(this.#folder, job), { recursive: true, force: true });
      removed += 1;
    }
    return removed;
  }

  async #append(
    task: TaskId,
    attempt: number,
    { bytes, final, gapFrom, offset }: LogChunk,
  ): Promise<Result<LogExtent>> {
    if (gapFrom !== undefined) await this.#beginTail(task, attempt, gapFrom, offset);
    const before = await this.extent(task, attempt);
    if (before.sizeBytes !== offset || (before.final && bytes.length > 0))
      return refuse('artifact.offset_mismatch', `The log stands at byte ${before.sizeBytes}, not ${offset}.`);
    const tail = await this.#tailOf(task, attempt);
    const kept = tail === undefined ? offset : tail.sizeBytes;
    const room = tail === undefined ? maxLogBytes : logTailBytes + 4096;
    if (kept + bytes.length > room)
      return refuse('request.too_large', `At most ${room} bytes of a log are kept in one piece.`);
    if (before.final) return accept(before);
    const path = this.#pathOf(task, attempt, false);
    if (offset === 0) await mkdir(join(this.#folder, jobIdOf(task)), { recursive: true, mode: 0o700 });
    const into = tail === undefined ? path : this.#tailPathOf(task, attempt);
    const file = await open(into, offset === 0 ? 'w' : 'r+', 0o600);
    try {
      await writeWhole(file, bytes, tail === undefined ? kept : gapBytes + kept);
    } finally {
      await file.close();
    }
    if (final) await rename(path, this.#pathOf(task, attempt, true));
    for (const listener of this.#listeners.get(keyOf(task, attempt)) ?? []) listener();
    return accept({ ...before, sizeBytes: offset + bytes.length, final });
  }

  /** The first chunk of an end makes its file; where it is not to begin there, nothing happens, and the offset will differ. */
  async #beginTail(task: TaskId, attempt: number, from: number, to: number): Promise<void> {
    const head = await this.#headExtent(task, attempt);
    if (head.final || to < from || head.sizeBytes < from || head.sizeBytes === 0) return;
    if ((await this.#tailOf(task, attempt)) !== undefined) return;
    const gap = Buffer.alloc(gapBytes);
    gap.writeBigUInt64BE(BigInt(from), 0);
    gap.writeBigUInt64BE(BigInt(to), 8);
    const path = this.#tailPathOf(task, attempt);
    await writeFile(`${path}.new`, gap, { mode: 0o600 });
    await rename(`${path}.new`, path);
    await truncate(this.#pathOf(task, attempt, false), from);
  }

  async #headExtent(task: TaskId, attempt: number): Promise<LogExtent> {
    const growing = await stat(this.#pathOf(task, attempt, false)).catch(ignoreMissing);
    if (growing !== undefined) return { sizeBytes: growing.size, final: false };
    const whole = await stat(this.#pathOf(task, attempt, true)).catch(ignoreMissing);
    return { sizeBytes: whole?.size ?? 0, final: whole !== undefined };
  }

  async #tailOf(task: TaskId, attempt: number): Promise<Tail | undefined> {
    const file = await open(this.#tailPathOf(task, attempt)).catch(ignoreMissing);
    if (file === undefined) return undefined;
    try {
      const gap = Buffer.alloc(gapBytes);
      await file.read(gap, 0, gapBytes, 0);
      const { size } = await file.stat();
      const [from, to] = [Number(gap.readBigUInt64BE(0)), Number(gap.readBigUInt64BE(8))];
      return { from, to, sizeBytes: size - gapBytes };
    } finally {
      await file.close();
    }
  }

  #tailPathOf(task: TaskId, attempt: number): string {
    return join(this.#folder, jobIdOf(task), `${taskIndexOf(task)}-${attempt}.tail.log`);
  }

  #pathOf(task: TaskId, attempt: number, final: boolean): string {
    return join(this.#folder, jobIdOf(task), `${taskIndexOf(task)}-${attempt}${final ? '.final' : ''}.log`);
  }
}

async function readFrom(file: FileHandle | undefined, position: number, limit: number): Promise<Uint8Array> {
  if (file === undefined) return new Uint8Array();
  try {
    const buffer = new Uint8Array(limit);
    const { bytesRead } = await file.read(buffer, 0, limit, position);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function keyOf(task: TaskId, attempt: number): string {
  return `${task}/${attempt}`;
}

async function writeWhole(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  try {
    let written = 0;
    while (written < bytes.length)
      written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten;
  } catch (error) {
    await file.truncate(offset).catch(() => undefined);
    throw error;
  }
}

async function newestIn(folder: string): Promise<number> {
  let newest = (await stat(folder)).mtimeMs;
  for (const name of await readdir(folder)) {
    const file = await stat(join(folder, name)).catch(ignoreMissing);
    newest = Math.max(newest, file?.mtimeMs ?? 0);
  }
  return newest;
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
