import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type LogGap, logHeadBytes, logTailBytes } from '@capacloud/protocol/wire/receipt';
import { abortable } from '@capacloud/waiting/abortable';

export interface SpoolLimits {
  /** First bytes of a log that are kept. */
  readonly headBytes: number;
  /** Last bytes of a log that are kept. */
  readonly tailBytes: number;
}

const defaultLimits: SpoolLimits = { headBytes: logHeadBytes, tailBytes: logTailBytes };

/** Before the ring in the file of the tail: how many bytes of the stream were taken, as 8 bytes. */
const ringStart = 4096;
/**
 * The ring is larger than the tail by this much, and no more is written at once: what the note of the length claims is
 * never overwritten before the note says so, wherever the agent is killed.
 */
const slackBytes = 2 ** 20;

/**
 * The output of one attempt on disk, by its offsets in the stream: the first bytes in a file that only grows, the last
 * ones in a ring beside it. A byte has the same place in the ring whenever it is written, so taking it again after a
 * restart changes nothing.
 */
export class LogSpool {
  readonly #limits: SpoolLimits;
  readonly #head: FileHandle;
  readonly #tailFile: string;
  #tail: FileHandle | undefined;
  #sizeBytes: number;
  #finished = false;
  #grown = Promise.withResolvers<void>();

  private constructor(file: string, limits: SpoolLimits, head: FileHandle, sizeBytes: number) {
    this.#limits = limits;
    this.#head = head;
    this.#tailFile = tailOf(file);
    this.#sizeBytes = sizeBytes;
  }

  static async open(file: string, limits: SpoolLimits = defaultLimits): Promise<LogSpool> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const head = await openOrCreate(file);
    try {
      const { size } = await head.stat();
      const spool = new LogSpool(file, limits, head, Math.min(size, limits.headBytes));
      if (size >= limits.headBytes) await spool.#openTail();
      if (size > limits.headBytes) await spool.#splitEarlier(size);
      return spool;
    } catch (error) {
      await head.close();
      throw error;
    }
  }

  /** Payload bytes that were taken, kept or not: the offset in the stream where the next one belongs. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** What was not kept; undefined while all is. */
  get gap(): LogGap | undefined {
    const { headBytes, tailBytes } = this.#limits;
    const from = headBytes;
    const to = this.#sizeBytes - tailBytes;
    return to > from ? { from, to } : undefined;
  }

  get truncated(): boolean {
    return this.gap !== undefined;
  }

  /** Without its end known, no more of a log than this is sent. */
  get limitBytes(): number {
    return this.#limits.headBytes + this.#limits.tailBytes;
  }

  get finished(): boolean {
    return this.#finished;
  }

  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const room = this.#limits.headBytes - this.#sizeBytes;
      const piece = bytes.subarray(at, at + (room > 0 ? room : slackBytes));
      if (room > 0) await writeAll(this.#head, piece, this.#sizeBytes);
      else await this.#writeTail(piece);
      this.#sizeBytes += piece.length;
      at += piece.length;
    }
    if (bytes.length > 0) this.#wake();
  }

  /** Nothing follows. */
  finish(): void {
    this.#finished = true;
    this.#wake();
  }

  /** Up to `length` bytes from `offset` on, empty past the end; undefined when they are not kept any more. */
  async read(offset: number, length: number): Promise<Buffer | undefined> {
    const wanted = Math.max(0, Math.min(length, this.#sizeBytes - offset));
    const { headBytes } = this.#limits;
    if (offset < headBytes) return await readUpTo(this.#head, Math.min(wanted, headBytes - offset), offset);
    if (this.#isLost(offset)) return undefined;
    if (wanted === 0 || this.#tail === undefined) return Buffer.alloc(0);
    const place = offset % this.#ringBytes;
    const bytes = await readUpTo(this.#tail, Math.min(wanted, this.#ringBytes - place), ringStart + place);
    return this.#isLost(offset) ? undefined : bytes;
  }

  /** Resolves when there is more than `offset` bytes or nothing will follow. */
  async grown(offset: number, signal: AbortSignal): Promise<void> {
    while (this.#sizeBytes <= offset && !this.#finished) {
      await abortable(this.#grown.promise, signal);
    }
    signal.throwIfAborted();
  }

  async close(): Promise<void> {
    await this.#head.close();
    await this.#tail?.close();
  }

  get #ringBytes(): number {
    return this.#limits.tailBytes + slackBytes;
  }

  #isLost(offset: number): boolean {
    const { gap } = this;
    return gap !== undefined && offset >= gap.from && offset < gap.to;
  }

  async #openTail(): Promise<FileHandle> {
    if (this.#tail !== undefined) return this.#tail;
    this.#tail = await openOrCreate(this.#tailFile);
    const note = await readUpTo(this.#tail, 8, 0);
    if (note.length === 8) this.#sizeBytes = Math.max(this.#sizeBytes, Number(note.readBigUInt64BE()));
    return this.#tail;
  }

  /** The bytes first, then how far they go: killed in between, they are taken again. */
  async #writeTail(bytes: Uint8Array): Promise<void> {
    const tail = await this.#openTail();
    const place = this.#sizeBytes % this.#ringBytes;
    const before = bytes.subarray(0, this.#ringBytes - place);
    await writeAll(tail, before, ringStart + place);
    await writeAll(tail, bytes.subarray(before.length), ringStart);
    const note = Buffer.alloc(8);
    note.writeBigUInt64BE(BigInt(this.#sizeBytes + bytes.length));
    await writeAll(tail, note, 0);
  }

  /** A file of an earlier release holds the head and what follows it, and a line of its own beyond the limit. */
  async #splitEarlier(size: number): Promise<void> {
    const { headBytes } = this.#limits;
    const end = Math.min(size, this.limitBytes);
    this.#sizeBytes = headBytes;
    while (this.#sizeBytes < end) {
      const piece = await readUpTo(this.#head, Math.min(slackBytes, end - this.#sizeBytes), this.#sizeBytes);
      await this.#writeTail(piece);
      this.#sizeBytes += piece.length;
    }
    await this.#head.truncate(headBytes);
  }

  #wake(): void {
    this.#grown.resolve();
    this.#grown = Promise.withResolvers<void>();
  }
}

export async function removeSpool(file: string): Promise<void> {
  await rm(tailOf(file), { force: true });
  await rm(file, { force: true });
}

function tailOf(file: string): string {
  return `${file}.tail`;
}

/** To be read and written at any place; what is there stays. */
async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    return await open(path, 'w+', 0o600);
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

async function readUpTo(handle: FileHandle, length: number, position: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await handle.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
