import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { threadEntry } from '../thread-entry.ts';
import { DataError } from './data-error.ts';
import type { Write, WriteRequest, WriterReply } from './write-message.ts';

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

/** Writes that may wait for the disk at once. Callers bound themselves below this; it catches one that does not. */
const maxWaiting = 10_000;

/** The main thread's end of the writer thread. */
export class WriterClient {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiter>();
  #lastId = 0;
  #dead: Error | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** Rejects with DataError when the thread refuses the file. */
  static async start(path: string): Promise<{ client: WriterClient; epoch: number; size: number }> {
    const entry = threadEntry(import.meta.url, 'writer-thread');
    const worker = new Worker(entry.url, { ...entry.options, workerData: { path } });
    const client = new WriterClient(worker);
    const [first] = (await once(worker, 'message')) as [WriterReply];
    if (first.kind === 'refused') throw new DataError(first.code, first.message, first);
    if (first.kind !== 'ready') throw new Error('the writer thread did not say that it is ready');
    worker.on('message', (reply: WriterReply) => {
      client.#settle(reply);
    });
    worker.on('error', (error) => {
      client.#die(error instanceof Error ? error : new Error('the writer thread failed', { cause: error }));
    });
    worker.on('exit', () => {
      client.#die(new Error('the writer thread has ended'));
    });
    return { client, epoch: first.epoch, size: first.size };
  }

  /** Resolves once it is on stable storage. */
  write(write: Write, fencingEpoch: number): Promise<void> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    if (this.#waiting.size >= maxWaiting)
      return Promise.reject(new Error('too many writes wait for the disk'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, fencingEpoch, write } satisfies WriteRequest, largeBuffersOf(write));
    });
  }

  /** What was asked before is written first. */
  async close(): Promise<void> {
    if (this.#dead !== undefined) return;
    const ended = once(this.#worker, 'exit');
    this.#worker.postMessage('close');
    await ended;
  }

  #settle(reply: WriterReply): void {
    if (reply.kind !== 'done' && reply.kind !== 'failed') return;
    const waiter = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.kind === 'done') waiter?.resolve();
    else if (reply.fault === undefined) waiter?.reject(new Error(`the write failed: ${reply.message}`));
    else waiter?.reject(new DataError(reply.fault.code, reply.fault.message, reply.fault));
  }

  #die(error: Error): void {
    this.#dead ??= error;
    for (const waiter of this.#waiting.values()) waiter.reject(error);
    this.#waiting.clear();
  }
}

/** Moving one costs more than copying a small one. */
const movedBytes = 32 * 1024;

/** Those that are moved instead of copied. */
function largeBuffersOf(write: Write): ArrayBuffer[] {
  if (write.kind !== 'group') return [];
  const buffers = write.group.rows.flatMap(({ numbers, amounts }) => [numbers.buffer, amounts.buffer]);
  return buffers.filter(({ byteLength }) => byteLength >= movedBytes);
}
