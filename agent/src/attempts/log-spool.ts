import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Payload that is kept of one attempt's output. */
export const maxLogBytes = 16 * 1024 * 1024;

const marker = Buffer.from('\n[capacloud: the log is longer than allowed; the rest was dropped]\n');

/**
 * The output of one attempt on disk. Offsets are the file's, so nothing else need be remembered over a restart:
 * a file longer than the limit holds the truncation marker.
 */
export class LogSpool {
  readonly file: string;
  readonly limitBytes: number;
  readonly #handle: FileHandle;
  #sizeBytes: number;
  #finished = false;
  #grown = Promise.withResolvers<void>();

  private constructor(file: string, limitBytes: number, handle: FileHandle, sizeBytes: number) {
    this.file = file;
    this.limitBytes = limitBytes;
    this.#handle = handle;
    this.#sizeBytes = sizeBytes;
  }

  static async open(file: string, limitBytes: number = maxLogBytes): Promise<LogSpool> {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, 'a+', 0o600);
    return new LogSpool(file, limitBytes, handle, (await handle.stat()).size);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get truncated(): boolean {
    return this.#sizeBytes > this.limitBytes;
  }

  /** Payload bytes that need not be handed over again. */
  get takenBytes(): number {
    return Math.min(this.#sizeBytes, this.limitBytes);
  }

  get finished(): boolean {
    return this.#finished;
  }

  /** Writes what fits; the first byte beyond the limit brings the marker, the others are dropped. */
  async append(bytes: Uint8Array): Promise<void> {
    if (this.truncated || bytes.length === 0) return;
    const room = this.limitBytes - this.#sizeBytes;
    const kept = bytes.length <= room ? bytes : Buffer.concat([bytes.subarray(0, room), marker]);
    await this.#handle.appendFile(kept);
    this.#sizeBytes += kept.length;
    this.#wake();
  }

  /** Nothing follows. */
  finish(): void {
    this.#finished = true;
    this.#wake();
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const buffer = Buffer.alloc(Math.max(0, Math.min(length, this.#sizeBytes - offset)));
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, offset);
    return buffer.subarray(0, bytesRead);
  }

  /** Resolves when there is more than `offset` bytes or nothing will follow. */
  async grown(offset: number, signal: AbortSignal): Promise<void> {
    while (this.#sizeBytes <= offset && !this.#finished) {
      signal.throwIfAborted();
      const aborted = Promise.withResolvers<void>();
      const abort = () => aborted.resolve();
      signal.addEventListener('abort', abort, { once: true });
      await Promise.race([this.#grown.promise, aborted.promise]);
      signal.removeEventListener('abort', abort);
    }
    signal.throwIfAborted();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #wake(): void {
    this.#grown.resolve();
    this.#grown = Promise.withResolvers<void>();
  }
}

export async function removeSpool(file: string): Promise<void> {
  await rm(file, { force: true });
}
