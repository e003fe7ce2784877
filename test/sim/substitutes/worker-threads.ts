import { EventEmitter } from 'node:events';
import type { Actor } from '../kernel/actor.ts';
import { kernel } from '../kernel/kernel.ts';
import { startThread, type ThreadPort } from '../kernel/threads.ts';

/** In the place of node:worker_threads: the same code at the other end of a channel, in the same process. */
export const parentPort = null;
export const workerData = undefined;

export class Worker extends EventEmitter {
  readonly #actor: Actor = kernel().current;
  readonly #port: ThreadPort;

  constructor(url: URL, options: { readonly workerData?: unknown } = {}) {
    super();
    this.#port = startThread(url, options.workerData, {
      tell: (message) => this.emit('message', message),
      exit: () => this.emit('exit', 0),
      actor: this.#actor,
    });
  }

  postMessage(message: unknown): void {
    this.#port.post(message);
  }
  ref(): void {}
  unref(): void {}
  terminate(): Promise<number> {
    this.#port.end();
    return Promise.resolve(0);
  }
}
