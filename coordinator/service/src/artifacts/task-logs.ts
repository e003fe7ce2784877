import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { jobIdOf, type TaskId, taskIndexOf } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { LogExtent, TaskLogs } from '../ports/task-logs.ts';

/** Output that is kept of one attempt; the agent stops at 16 MiB and adds a line that says so. */
export const maxLogBytes = 16 * 2 ** 20 + 4096;

/**
 * One file an attempt: <folder>/<job>/<index>-<attempt>.log, renamed to end in .final.log once nothing follows.
 * Not synced: a line lost with the machine is no promise broken, and the offset tells the agent where to go on.
 */
export class DiskTaskLogs implements TaskLogs {
  readonly #folder: string;
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  append(
    task: TaskId,
    attempt: number,
    offset: number,
    bytes: Uint8Array,
    final: boolean,
  ): Promise<Result<LogExtent>> {
    const key = keyOf(task, attempt);
    const before = this.#queues.get(key) ?? Promise.resolve();
    const work = before.then(() => this.#append(task, attempt, offset, bytes, final));
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
    const growing = await stat(this.#pathOf(task, attempt, false)).catch(ignoreMissing);
    if (growing !== undefined) return { sizeBytes: growing.size, final: false };
    const whole = await stat(this.#pathOf(task, attempt, true)).catch(ignoreMissing);
    return { sizeBytes: whole?.size ?? 0, final: whole !== undefined };
  }

  async read(task: TaskId, attempt: number, offset: number, limit: number): Promise<Uint8Array> {
    const file =
      (await open(this.#pathOf(task, attempt, false)).catch(ignoreMissing)) ??
      (await open(this.#pathOf(task, attempt, true)).catch(ignoreMissing));
    if (file === undefined) return new Uint8Array();
    try {
      const buffer = new Uint8Array(limit);
      const { bytesRead } = await file.read(buffer, 0, limit, offset);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
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
    offset: number,
    bytes: Uint8Array,
    final: boolean,
  ): Promise<Result<LogExtent>> {
    const before = await this.extent(task, attempt);
    if (before.sizeBytes !== offset || (before.final && bytes.length > 0))
      return refuse('artifact.offset_mismatch', `The log stands at byte ${before.sizeBytes}, not ${offset}.`);
    if (offset + bytes.length > maxLogBytes)
      return refuse('request.too_large', `The log of an attempt has at most ${maxLogBytes} bytes.`);
    if (before.final) return accept(before);
    const path = this.#pathOf(task, attempt, false);
    if (offset === 0) await mkdir(join(this.#folder, jobIdOf(task)), { recursive: true, mode: 0o700 });
    const file = await open(path, offset === 0 ? 'w' : 'r+', 0o600);
    try {
      await writeWhole(file, bytes, offset);
    } finally {
      await file.close();
    }
    if (final) await rename(path, this.#pathOf(task, attempt, true));
    for (const listener of this.#listeners.get(keyOf(task, attempt)) ?? []) listener();
    return accept({ sizeBytes: offset + bytes.length, final });
  }

  #pathOf(task: TaskId, attempt: number, final: boolean): string {
    return join(this.#folder, jobIdOf(task), `${taskIndexOf(task)}-${attempt}${final ? '.final' : ''}.log`);
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
