import { Worker } from 'node:worker_threads';
import type { Delegation } from '@capacloud/protocol/delegation';
import { threadEntry } from '../thread-entry.ts';
import type { DelegationAnswer, DelegationQuestion } from './delegation-worker.ts';

const entryPoint = threadEntry(import.meta.url, 'delegation-worker');

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
  readonly #maxWaiting: number;
  readonly #workers: { readonly worker: Worker; readonly waiting: Map<number, Waiting> }[] = [];
  #waiting = 0;
  #nextId = 1;
  #next = 0;

  constructor(threads: number, maxWaiting: number) {
    this.#threads = threads;
    this.#maxWaiting = maxWaiting;
  }

  /** Undefined when too many wait. Rejects when the thread died. */
  verify(chainId: number, delegation: Delegation, signature: string): Promise<boolean> | undefined {
    if (this.#waiting >= this.#maxWaiting) return undefined;
    while (this.#workers.length < this.#threads) this.#start();
    const entry = this.#workers[this.#next++ % this.#workers.length];
    if (entry === undefined) return undefined;
    const question: DelegationQuestion = { id: this.#nextId++, chainId, delegation, signature };
    return new Promise((resolve, reject) => {
      this.#waiting += 1;
      entry.waiting.set(question.id, { resolve, reject });
      entry.worker.postMessage(question);
    });
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
      this.#waiting -= 1;
      waiting?.resolve(isValid);
    });
    worker.on('error', (error: Error) => {
      cause = error;
    });
    worker.on('exit', () => {
      const place = this.#workers.indexOf(entry);
      if (place >= 0) this.#workers.splice(place, 1);
      this.#waiting -= entry.waiting.size;
      const error = new Error('the thread that checks delegations ended', { cause });
      for (const { reject } of entry.waiting.values()) reject(error);
      entry.waiting.clear();
    });
    this.#workers.push(entry);
  }
}
