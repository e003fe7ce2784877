import type { Contact } from '@capacloud/core/contract/command';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, NodeId, TaskId } from '@capacloud/protocol/ids';
import type { Draws } from './draws.ts';
import type { NodeGroup } from './scenario/scenario.ts';

/** An attempt that a node holds: it runs, or its end has not been told yet. */
export interface HeldAttempt {
  readonly task: TaskId;
  readonly attempt: number;
  stage: 'assigned' | 'pulling' | 'running';
  startedAt: number;
  end: { readonly reason: OutcomeReason; readonly exitCode: number; readonly runMs: number } | undefined;
}

/** A machine with its agent. */
export class SimulatedNode {
  readonly id: NodeId;
  readonly provider: AccountId;
  readonly group: NodeGroup;
  readonly offer: Offer;
  /** Of its ups and downs. */
  readonly draws: Draws;
  readonly held = new Map<TaskId, HeldAttempt>();
  isUp = false;
  /** How often it went down: what was planned for an earlier outage is void. */
  outages = 0;

  constructor(id: NodeId, provider: AccountId, group: NodeGroup, offer: Offer, draws: Draws) {
    this.id = id;
    this.provider = provider;
    this.group = group;
    this.offer = offer;
    this.draws = draws;
  }
}

/** A node that is up is heard all the time; nothing is simulated for its heartbeats. */
export class NodeContact implements Contact {
  readonly #clock: { readonly now: number };
  sinceAt: number;
  #silentAt: number | undefined;

  constructor(clock: { readonly now: number }) {
    this.#clock = clock;
    this.sinceAt = clock.now;
  }

  get lastAt(): number {
    return this.#silentAt ?? this.#clock.now;
  }

  fallSilent(): void {
    this.#silentAt = this.#clock.now;
  }

  speakAgain(): void {
    this.#silentAt = undefined;
    this.sinceAt = this.#clock.now;
  }
}
