import { Worker } from 'node:worker_threads';
import type { Delegation } from '@capacloud/protocol/wire/delegation';
import { threadEntry } from '../thread-entry.ts';
import type { DelegationAnswer, DelegationQuestion } from './delegation-worker.ts';
import { VerifyingQueue } from './verifying-queue.ts';

const entryPoint = threadEntry(import.meta.url, 'delegation-worker');

/** Whose delegation it is, as far as that is known before it is verified. */
export interface Asker {
  readonly address: string;
  readonly isKnown: boolean;
}

interface Question {
  readonly text: DelegationQuestion;
  readonly waiting: Waiting;
}

/** With a thread at a time: one that it works on, and some so that it does not wait for us. */
const askedAtOnce = 8;

interface Waiting {
  readonly resolve: (isValid: boolean) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Checks wallet signatures in threads of their own: one takes about 2 ms (ethers), so a thousand agents that
 * reconnect at once would hold up everything else. The first check starts the threads.
 */
export class DelegationVerifier {
  readonly #threads: number;
  readonly #queue: VerifyingQueue<Question>;
  readonly #workers: { readonly worker: Worker; readonly waiting: Map<number, Waiting> }[] = [];
  #nextId = 1;

  /** `maxWaiting`: of known addresses, and as many of strangers. */
  constructor(threads: number, maxWaiting: number) {
    this.#threads = threads;
    this.#queue = new VerifyingQueue(maxWaiting);
  }

  /** Undefined when too many wait. Rejects when the thread died. */
  verify(
    chainId: number,
    delegation: Delegation,
    signature: string,
    from: Asker,
  ): Promise<boolean> | undefined {
    while (this.#workers.length < this.#threads) this.#start();
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const text: DelegationQuestion = { id: this.#nextId++, chainId, delegation, signature };
    if (!this.#queue.push(from.address, from.isKnown, { text, waiting: { resolve, reject } }))
      return undefined;
    this.#ask();
    return promise;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map(({ worker }) => worker.terminate()));
  }

  #start(): void {
    const worker = new Worker(entryPoint.url, entryPoint.options);
    const entry = { worker, waiting: new Map<number, Waiting>() };
    let cause: Error | undefined;
    // An idle thread does not keep the process alive.
    worker.unref();
    worker.on('message', ({ id, isValid }: DelegationAnswer) => {
      const waiting = entry.waiting.get(id);
      if (!entry.waiting.delete(id)) return;
      waiting?.resolve(isValid);
      this.#ask();
    });
    worker.on('error', (error: Error) => {
      cause = error;
    });
    worker.on('exit', () => {
      const place = this.#workers.indexOf(entry);
      if (place >= 0) this.#workers.splice(place, 1);
      const error = new Error('the thread that checks delegations ended', { cause });
      for (const { reject } of entry.waiting.values()) reject(error);
      entry.waiting.clear();
      this.#failRest(error);
    });
    this.#workers.push(entry);
  }

  /** Gives the threads what waits, as fast as they answer. */
  #ask(): void {
    for (const { worker, waiting } of this.#workers) {
      while (waiting.size < askedAtOnce) {
        const question = this.#queue.shift();
        if (question === undefined) return;
        waiting.set(question.text.id, question.waiting);
        worker.postMessage(question.text);
      }
    }
  }

  /** With the last thread, so that nobody waits for an answer that does not come. The next question starts new ones. */
  #failRest(error: Error): void {
    if (this.#workers.length > 0) return;
    for (let rest = this.#queue.shift(); rest !== undefined; rest = this.#queue.shift())
      rest.waiting.reject(error);
  }
}
