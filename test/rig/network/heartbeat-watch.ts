import type { LocalAgent } from './local-network.ts';
import { statusOf } from './network-rig.ts';

/** Watches from outside how long an agent went without a heartbeat that the coordinator had acknowledged. */
export class HeartbeatWatch {
  readonly #agent: LocalAgent;
  readonly #leaseMs: number;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  samples = 0;
  /** The lease counts from when the newest acknowledged heartbeat was sent. */
  longestSilenceMs = 0;

  constructor(agent: LocalAgent, leaseMs: number) {
    this.#agent = agent;
    this.#leaseMs = leaseMs;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const { leaseLeftMs } = await statusOf(this.#agent);
      if (leaseLeftMs !== undefined) {
        this.samples += 1;
        this.longestSilenceMs = Math.max(this.longestSilenceMs, this.#leaseMs - leaseLeftMs);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
