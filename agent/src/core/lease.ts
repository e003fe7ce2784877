import type { Clock } from './clock.ts';
import type { Journal } from './journal-port.ts';

/**
 * The lease from before a restart. After a reboot nothing is known of how long the machine was away, so a node
 * that held work has none until the coordinator grants a new one.
 */
export function restoreLease(journal: Pick<Journal, 'lease' | 'attempts'>, clock: Clock): Lease {
  const note = journal.lease();
  // guard: a lease of another boot is none
  if (note !== undefined && note.bootId === clock.bootId) return new Lease(note.untilBootMs);
  // guard: no lease without a grant
  return new Lease(journal.attempts().length === 0 ? undefined : 0);
}

/**
 * The node's lease, on a clock that never jumps. The coordinator counts from when it received a heartbeat, the
 * agent from when it sent it, so the agent always lets go first.
 */
export class Lease {
  #untilMs: number | undefined;
  #leaseMs = 0;
  readonly #sentAtMs = new Map<number, number>();

  /** `untilMs` as remembered from before a restart; undefined when there is none. */
  constructor(untilMs: number | undefined) {
    this.#untilMs = untilMs;
  }

  get untilMs(): number | undefined {
    return this.#untilMs;
  }

  /** A session was opened by a hello that was sent then. Heartbeats are counted anew. */
  open(leaseMs: number, helloSentAtMs: number): void {
    this.#leaseMs = leaseMs;
    this.#sentAtMs.clear();
    this.#extend(helloSentAtMs + leaseMs);
  }

  sent(heartbeat: number, atMs: number): void {
    this.#sentAtMs.set(heartbeat, atMs);
  }

  /** Heartbeats up to this one were received. True when that moved the end. */
  acknowledged(heartbeat: number): boolean {
    let newest: number | undefined;
    for (const [n, atMs] of this.#sentAtMs) {
      // guard: count only heartbeats that were acknowledged
      if (n > heartbeat) continue;
      newest = Math.max(newest ?? atMs, atMs);
      this.#sentAtMs.delete(n);
    }
    // LEASE-2
    // guard: count the lease from when the heartbeat was sent
    return newest !== undefined && this.#extend(newest + this.#leaseMs);
  }

  /** Without any lease there is nothing that could lapse: the agent holds no work then. */
  hasLapsed(nowMs: number): boolean {
    // guard: let the lease lapse
    return this.#untilMs !== undefined && nowMs >= this.#untilMs;
  }

  #extend(untilMs: number): boolean {
    if (this.#untilMs !== undefined && untilMs <= this.#untilMs) return false;
    this.#untilMs = untilMs;
    return true;
  }
}
