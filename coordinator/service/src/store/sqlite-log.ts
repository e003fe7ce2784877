import { type LogEntry, type LogGroup, type LogPort, logLimits } from '../ports/log.ts';
import type { LogReader } from './log-reader.ts';
import type { WriterClient } from './writer-client.ts';

/** Reads of a follower, and the bytes that the reading connection holds at once. */
const followBatch = 1024;

/** The log in SQLite: written by the writer thread, read through a connection of this thread. */
export class SqliteLog implements LogPort {
  readonly #writer: WriterClient;
  readonly #reader: LogReader;
  #size: number;
  readonly #wake = new Set<() => void>();

  constructor(writer: WriterClient, reader: LogReader, size: number) {
    this.#writer = writer;
    this.#reader = reader;
    this.#size = size;
  }

  async append(group: LogGroup, fencingEpoch: number): Promise<void> {
    if (group.first !== this.#size)
      throw new Error(`the group begins at ${group.first}, the log ends at ${this.#size}`);
    await this.#writer.write({ kind: 'group', group }, fencingEpoch);
    this.#size = group.first + group.count;
    for (const wake of this.#wake) wake();
    this.#wake.clear();
  }

  read(from: number, limit: number, maxBytes?: number): Promise<readonly LogEntry[]> {
    return Promise.resolve(this.#reader.read(from, Math.min(limit, logLimits.groupEvents), maxBytes));
  }

  async *follow(from: number, signal: AbortSignal): AsyncGenerator<readonly LogEntry[]> {
    let next = from;
    while (!signal.aborted) {
      const entries = await this.read(next, followBatch);
      if (entries.length > 0) {
        yield entries;
        next += entries.length;
      } else {
        await this.#growth(next, signal);
      }
    }
  }

  size(): number {
    return this.#size;
  }

  /** Resolves when the log is longer than `size`, or the signal aborts. */
  #growth(size: number, signal: AbortSignal): Promise<void> {
    if (this.#size > size || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#wake.delete(wake);
        resolve();
      };
      this.#wake.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
