import type { AccountId, JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import { ChangeFeed } from './change-feed.ts';
import { ClockWheel } from './clock-wheel.ts';
import type { Event } from './contract/event.ts';
import { defaultRuleset, type Ruleset } from './contract/ruleset.ts';
import type { Isolation, Subject } from './contract/subject.ts';
import type { Account, HouseBalances } from './slices/account/record.ts';
import type { Task } from './slices/attempt/record.ts';
import type { ConsumerQueue, ImageRecord, Job } from './slices/job/record.ts';
import type { AskClass } from './slices/node/ask-class.ts';
import { OfferPool } from './slices/node/offer-pool.ts';
import type { NodeRecord } from './slices/node/record.ts';

/** What the log means beside the lists of accounts, jobs and nodes, as it is written to snapshots. */
export interface StateTruth {
  /** Of the text of the state. */
  readonly version: 1;
  /** Empty until the log is opened. */
  origin: string;
  ruleset: Ruleset;
  readonly house: HouseBalances;
  /** Jobs ever submitted. */
  jobSeq: number;
  /** By image, as imageOf gives it; the least lately changed first, as in the other one. */
  readonly images: Map<string, ImageRecord>;
  /** Nodes by whose fault attempts of the image ended since one succeeded, at most `explainedAfter`. */
  readonly losses: Map<string, readonly NodeId[]>;
  /** Because the books broke over it; also where it is no longer in the state. */
  readonly isolated: Map<Subject, Isolation>;
}

/**
 * The live state. It changes by `apply` alone; what is marked derived follows from the rest and is rebuilt
 * by `decodeState`.
 */
export interface State extends StateTruth {
  readonly accounts: Map<AccountId, Account>;
  readonly nodes: Map<NodeId, NodeRecord>;
  /** In order of submission. */
  readonly jobs: Map<JobId, Job>;
  // Derived.
  readonly tasks: Map<TaskId, Task>;
  /** Sum of all open holds, counted from the tasks; the holds account must equal it. */
  openHoldsNano: bigint;
  readonly askClasses: Map<string, AskClass>;
  readonly offers: OfferPool;
  /** In the order of joining. */
  readonly unproven: Set<NodeRecord>;
  /** Those that take work and have something left. */
  readonly openNodes: Set<NodeRecord>;
  readonly waiting: Map<AccountId, ConsumerQueue>;
  readonly stageClocks: ClockWheel<Task>;
  readonly backoffs: ClockWheel<Task>;
  readonly queueClocks: ClockWheel<Job>;
  /** When something about a node's standing ends. */
  readonly nodeClocks: ClockWheel<NodeRecord>;
  /** Those whose attempt was sold as interruptible. */
  readonly interruptible: Set<Task>;
  /** Tasks whose outputs the store has no room for now, the first held first. */
  readonly held: Set<Task>;
  /** Those of them because of which nothing of anybody can be stored. */
  fullHolds: number;
  /** Jobs that are stopped, as submitted. */
  readonly stopped: Set<Job>;
  readonly feed: ChangeFeed<NodeRecord>;
  /** Those that write the state as it was down, and are shown each event before it happens. */
  readonly captures: Set<{ keep(event: Event): void }>;
}

export function createState(): State {
  return {
    version: 1,
    origin: '',
    ruleset: defaultRuleset,
    accounts: new Map(),
    house: { holds: 0n, fees: 0n, emission: 0n, penalties: 0n, custody: 0n },
    nodes: new Map(),
    jobs: new Map(),
    jobSeq: 0,
    images: new Map(),
    losses: new Map(),
    isolated: new Map(),
    tasks: new Map(),
    openHoldsNano: 0n,
    askClasses: new Map(),
    offers: new OfferPool(),
    unproven: new Set(),
    openNodes: new Set(),
    waiting: new Map(),
    stageClocks: new ClockWheel(),
    backoffs: new ClockWheel(),
    queueClocks: new ClockWheel(),
    nodeClocks: new ClockWheel(),
    interruptible: new Set(),
    held: new Set(),
    fullHolds: 0,
    stopped: new Set(),
    feed: new ChangeFeed(),
    captures: new Set(),
  };
}
