import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { askStatus } from '@capacloud/agent/host/status-socket';

const everyMs = 500;

/**
 * How long each agent was without its coordinator, as the agents themselves see it: by the age of the last heartbeat
 * that was acknowledged. An agent that is down or frozen says so by its silence, and then tells by the next answer.
 */
export class ContactWatch {
  longestOutageMs = 0;
  readonly #stop = new AbortController();
  readonly #watching: Promise<unknown>;

  constructor(stateDirs: readonly string[], leaseMs: number) {
    this.#watching = Promise.all(stateDirs.map((stateDir) => this.#watch(stateDir, leaseMs)));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(stateDir: string, leaseMs: number): Promise<void> {
    let contactAt: number | undefined;
    while (!this.#stop.signal.aborted) {
      const status = (await askStatus(join(stateDir, 'agent.sock')).catch(() => undefined)) as
        | { readonly leaseLeftMs?: number }
        | undefined;
      if (status?.leaseLeftMs !== undefined) {
        const newest = performance.now() - (leaseMs - status.leaseLeftMs);
        if (contactAt !== undefined)
          this.longestOutageMs = Math.max(this.longestOutageMs, newest - contactAt);
        contactAt = Math.max(contactAt ?? newest, newest);
      }
      await sleep(everyMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
  }
}
