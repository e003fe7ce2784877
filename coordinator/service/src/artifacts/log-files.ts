import { type FileHandle, mkdir, open, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jobIdOf, type TaskId, taskIndexOf } from '@capacloud/protocol/ids';
import type { LogGap } from '@capacloud/protocol/wire/receipt';
import { gapBytes, sizeOnDisk } from './log-book.ts';

/** The end of a long log, in a file of its own that begins with the gap before it, 8 bytes each. */
export interface LogTail extends LogGap {
  readonly sizeBytes: number;
}

export interface LogHead {
  readonly sizeBytes: number;
  readonly final: boolean;
}

/**
 * The files of one attempt's log: <folder>/<job>/<index>-<attempt>.log, renamed to end in .final.log once nothing follows.
 * Behind a gap the log goes on in <index>-<attempt>.tail.log; of the first file only what lies before the gap counts then.
 */
export class LogFiles {
  readonly #folder: string;
  readonly #name: string;

  constructor(folder: string, task: TaskId, attempt: number) {
    this.#folder = join(folder, jobIdOf(task));
    this.#name = `${taskIndexOf(task)}-${attempt}`;
  }

  async head(): Promise<LogHead> {
    const growing = await stat(this.#path('')).catch(ignoreMissing);
    if (growing !== undefined) return { sizeBytes: growing.size, final: false };
    const whole = await stat(this.#path('.final')).catch(ignoreMissing);
    return { sizeBytes: whole?.size ?? 0, final: whole !== undefined };
  }

  async tail(): Promise<LogTail | undefined> {
    const file = await open(this.#path('.tail')).catch(ignoreMissing);
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

  async readHead(position: number, limit: number): Promise<Uint8Array> {
    const file =
      (await open(this.#path('')).catch(ignoreMissing)) ??
      (await open(this.#path('.final')).catch(ignoreMissing));
    return readFrom(file, position, limit);
  }

  async readTail(position: number, limit: number): Promise<Uint8Array> {
    return readFrom(await open(this.#path('.tail')).catch(ignoreMissing), gapBytes + position, limit);
  }

  /** At 0 the file is made. */
  async writeHead(bytes: Uint8Array, position: number): Promise<void> {
    if (position === 0) await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeInto(this.#path(''), position === 0 ? 'w' : 'r+', bytes, position);
  }

  async writeTail(bytes: Uint8Array, position: number): Promise<void> {
    await writeInto(this.#path('.tail'), 'r+', bytes, gapBytes + position);
  }

  /** Makes the file of the end, which is empty, and cuts off what lies in the gap. */
  async beginTail({ from, to }: LogGap): Promise<void> {
    const gap = Buffer.alloc(gapBytes);
    gap.writeBigUInt64BE(BigInt(from), 0);
    gap.writeBigUInt64BE(BigInt(to), 8);
    const path = this.#path('.tail');
    try {
      await writeFile(`${path}.new`, gap, { mode: 0o600 });
      await rename(`${path}.new`, path);
    } catch (error) {
      await rm(`${path}.new`, { force: true });
      throw error;
    }
    await truncate(this.#path(''), from);
  }

  async removeTail(): Promise<void> {
    await rm(this.#path('.tail'), { force: true });
  }

  async finish(): Promise<void> {
    await rename(this.#path(''), this.#path('.final'));
  }

  /** Gives how many bytes there were. */
  async remove(): Promise<number> {
    let bytes = 0;
    for (const part of ['', '.final', '.tail']) {
      const file = await stat(this.#path(part)).catch(ignoreMissing);
      if (file === undefined) continue;
      bytes += sizeOnDisk(this.#path(part), file.size);
      await rm(this.#path(part), { force: true });
    }
    return bytes;
  }

  #path(part: string): string {
    return join(this.#folder, `${this.#name}${part}.log`);
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

async function writeInto(path: string, flags: string, bytes: Uint8Array, offset: number): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    let written = 0;
    while (written < bytes.length)
      written += (await file.write(bytes, written, bytes.length - written, offset + written)).bytesWritten;
  } catch (error) {
    await file.truncate(offset).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

export function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
