import type { JobTerms } from '@capacloud/core/contract/command';
import type { AccountId, JobId, NodeId } from '@capacloud/protocol/ids';
import type { TaskExplanation, WaitingReason } from './explanations.ts';

/** What is offered now, and what a job would meet there, as plain data. */

/** Prices that are asked, with what is sold at them. */
export interface BookLevel {
  readonly ask: Readonly<
    Record<'cpuHourNano' | 'memoryGibHourNano' | 'diskGibHourNano' | 'deviceHourNano', bigint>
  >;
  readonly discountPercent: number | undefined;
  readonly nodes: number;
  readonly providers: number;
  readonly total: number;
  readonly free: number;
}

export interface BookClass {
  readonly deviceClass: string;
  readonly unit: 'slot' | 'device';
  readonly total: number;
  readonly free: number;
  /** The cheapest. */
  readonly levels: readonly BookLevel[];
  readonly allLevels: number;
}

export interface PlanQuestion {
  readonly at: number;
  readonly job: JobId;
  readonly consumer: AccountId;
  readonly terms: JobTerms;
  /** How long a task is taken to run. */
  readonly runMs: number;
  /** The most offers to be told. */
  readonly maxOffers: number;
}

/** Nodes where a task costs the same, on devices of the same class. */
export interface PlanOffer {
  readonly deviceClass: string;
  /** For one task, an hour. */
  readonly rateNano: bigint;
  readonly isInterruptible: boolean;
  readonly nodes: number;
  readonly providers: number;
  readonly tasksNow: number;
  readonly tasksWhole: number;
  readonly examples: readonly NodeId[];
}

/** When there is room for tasks. */
export interface PlanRoom {
  /** Tasks that could start now, and with nothing else on the nodes that would do. */
  readonly tasksNow: number;
  readonly tasksWhole: number;
  /** Tasks of this kind that wait already. */
  readonly queuedBefore: number;
  /** How long the first and the last task wait at the latest. */
  readonly firstMs: number;
  readonly allMs: number;
  /** How fast such tasks left the queue recently; undefined while too few did. */
  readonly pace: { readonly eachMs: number; readonly starts: number } | undefined;
}

/** What a job would meet now. */
export interface Plan {
  /** The account has no money for it. */
  readonly isUnaffordable: boolean;
  readonly availableNano: bigint;
  /** Why nothing of the job would be placed now. */
  readonly keptBack: (WaitingReason & { readonly hint: string }) | undefined;
  readonly room: PlanRoom;
  /** The best offers in order, and how many there are in all. */
  readonly offers: readonly PlanOffer[];
  readonly allOffers: number;
  readonly estimatedNano: bigint;
  readonly explanation: TaskExplanation;
}
