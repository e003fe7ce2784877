import { Worker } from 'node:worker_threads';
import { threadEntry } from '../thread-entry.ts';
import {
  type CheckedReceipt,
  isSignatureText,
  readAnswer,
  type SignedReceipts,
  writeQuestion,
} from './receipt-check.ts';

const entry = threadEntry(import.meta.url, 'receipt-thread');

interface Waiting {
  readonly frame: SignedReceipts;
  readonly resolve: (checked: readonly CheckedReceipt[] | undefined) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Hashes receipts and checks their signatures in a thread of its own. Frames that come while it works are handed over
 * together, so that under load one message pays for many. Callers bound what waits: each session has one frame here.
 */
export class ReceiptVerifier {
  #worker: Worker | undefined;
  #gathering: Waiting[] = [];
  #asked: readonly Waiting[] = [];
  #isClosed = false;

  /** What is known of each receipt, or undefined when the signature does not cover them all. Rejects when the thread died. */
  check(frame: SignedReceipts): Promise<readonly CheckedReceipt[] | undefined> {
    if (!isSignatureText(frame.signature)) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#gathering.push({ frame, resolve, reject });
      // At the end of the turn, with what else it brings.
      if (this.#gathering.length === 1 && this.#asked.length === 0) setImmediate(() => this.#ask());
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#worker?.terminate();
  }

  #ask(): void {
    if (this.#asked.length > 0 || this.#gathering.length === 0) return;
    this.#asked = this.#gathering;
    this.#gathering = [];
    this.#worker ??= this.#start();
    this.#worker.postMessage(writeQuestion(this.#asked.map(({ frame }) => frame)));
  }

  #start(): Worker {
    const worker = new Worker(entry.url, entry.options);
    let cause: Error | undefined;
    // An idle thread does not keep the process alive.
    worker.unref();
    worker.on('message', (answer: string) => this.#settle(readAnswer(answer)));
    worker.on('error', (error: Error) => {
      cause = error;
    });
    worker.on('exit', () => {
      this.#worker = undefined;
      const waiting = [...this.#asked, ...this.#gathering];
      this.#asked = [];
      this.#gathering = [];
      if (this.#isClosed) return;
      const error = new Error('the thread that checks receipts ended', { cause });
      for (const { reject } of waiting) reject(error);
    });
    return worker;
  }

  #settle(answers: readonly (readonly CheckedReceipt[] | undefined)[]): void {
    const asked = this.#asked;
    this.#asked = [];
    this.#ask();
    for (const [index, { resolve }] of asked.entries()) resolve(answers[index]);
  }
}
