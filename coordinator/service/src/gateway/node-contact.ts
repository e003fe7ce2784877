import type { Contact } from '@capacloud/core/contract/command';

/** Heartbeats that may be missed before what is heard next counts as a return. */
const missedHeartbeats = 2;

/**
 * When a node was heard, over one session. The next begins anew: what was said in the old one may have been lost, and
 * comes again.
 */
export class NodeContact implements Contact {
  readonly #silenceMs: number;
  lastAt: number;
  sinceAt: number;

  constructor(nowMs: number, heartbeatMs: number) {
    this.#silenceMs = missedHeartbeats * heartbeatMs;
    this.lastAt = nowMs;
    this.sinceAt = nowMs;
  }

  hear(nowMs: number): void {
    if (nowMs - this.lastAt > this.#silenceMs) this.sinceAt = nowMs;
    this.lastAt = nowMs;
  }
}
