import type { Capacity } from '@capacloud/protocol/capacity/capacity';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import { ChangeFeed } from './change-feed.ts';
import type { Clocked } from './clock-wheel.ts';
import { ClockWheel } from './clock-wheel.ts';
import type { JobTerms } from './contract/command.ts';
import type { DeviceFault, Event, HoldCause, NodeStatus } from './contract/event.ts';
import { defaultRuleset, type Ruleset } from './contract/ruleset.ts';
import type { Isolation, Subject } from './contract/subject.ts';
import type { HoldState } from './slices/account/hold-states.ts';
import type { HeldUpload, Occupancy } from './slices/attempt/occupancy.ts';
import type { TaskState } from './slices/attempt/task-states.ts';
import type { AskClass } from './slices/node/ask-class.ts';
import { OfferPool } from './slices/node/offer-pool.ts';

/** What one consumer uses, or what all nodes offer. */
export interface Amounts {
  readonly capacity: Capacity;
  /** Thousandths of devices. */
  deviceMilli: number;
}

/** What the log means for an account, as it is written to snapshots. */
export interface AccountTruth {
  readonly id: AccountId;
  availableNano: bigint;
  /** Grants by their ref, so that each happens once. */
  readonly credits: Map<string, bigint>;
  /** Attempts of others that were stopped for its tasks, less its successes since. */
  stopsOwed: number;
}

/** What else is known of it is derived. */
export interface Account extends AccountTruth {
  /** Tasks of its jobs that have not ended. */
  liveTasks: number;
  /** What attempts of its jobs take of nodes. */
  readonly use: Amounts;
  /** Attempts of its jobs whose outputs have no room now, by whose room is used up. */
  readonly heldUploads: Record<HoldCause, number>;
}

/** The balances that belong to nobody. Emission and custody may be negative; the others may not. */
export interface HouseBalances {
  holds: bigint;
  fees: bigint;
  emission: bigint;
  penalties: bigint;
  custody: bigint;
}

/** An attempt that ended by its node's own fault. */
export interface Failure {
  readonly at: number;
  /** Of its job, as imageOf gives it. */
  readonly image: string;
  /** Of the endings that count on this node. */
  readonly nth: number;
}

/** Whose attempts had a device lately. */
export interface LastHeld {
  readonly device: string;
  readonly image: string;
  /** When the image last let go of it, and when another one did; 0: none that is known of. */
  readonly at: number;
  readonly otherAt: number;
}

/** How it went on a node lately. It changes by events alone; the lists are replaced, never changed. */
export interface Standing {
  /** Attempts that ended in success or by the node's own fault. */
  endings: number;
  /** Which of them was the last success. */
  lastGood: number;
  failures: readonly Failure[];
  /** When it fell silent, at most `maxSilences`. */
  silences: readonly number[];
  held: readonly LastHeld[];
  /** Gets nothing new before this time; 0: no pause. */
  restUntil: number;
}
export const maxSilences = 8;

/** What devices of the network were lost to an image, and until when it is stopped. */
export interface ImageRecord {
  readonly faults: readonly DeviceFault[];
  /** 0: it is not. */
  readonly until: number;
}

/** What the log means for a node, as it is written to snapshots. */
export interface NodeTruth {
  readonly id: NodeId;
  provider: AccountId;
  status: NodeStatus;
  statusSince: number;
  /** Code of the cause of the present status. */
  cause: string;
  /** The operator's wish; it outlives silence. */
  directive: 'none' | 'cordon' | 'drain';
  offer: Offer;
  accepting: boolean;
  /** When the log last shows a word of the node itself; a tick knows later ones. */
  heardAt: number;
  /** By task: a node never holds two attempts of one task. */
  readonly occupied: Map<TaskId, Occupancy>;
  readonly standing: Standing;
  /** Something was paid for its work, under rules that ask. */
  isProven: boolean;
}

/** What else is known of it is derived. */
export interface NodeRecord extends NodeTruth, Clocked<NodeRecord> {
  /** It backs off, as far as the last event or look could tell. */
  isResting: boolean;
  isIsolated: boolean;
  /** How often a task has to be tried there until it succeeds, by what went wrong lately; 1 or more. */
  tries: number;
  /** What is left of its offer; below zero where the offer shrank below what runs. */
  free: Capacity;
  /** Thousandths taken of each device, above 0. */
  readonly deviceUse: Map<string, number>;
  /** 0 (idle) to 1, the fullest of its dimensions. */
  load: number;
  askClass: AskClass | undefined;
  /** In the change feed; below 0 before it has one, and when it was forgotten. */
  row: number;
}

/** What the log means for a task, as it is written to snapshots. */
export interface TaskTruth {
  readonly index: number;
  state: TaskState;
  /** Why it is in that state: of the last event that moved it. */
  reason: TaskReason;
  /** Number of the current or last attempt; 0 before the first. */
  attempt: number;
  /** Where the current attempt is; undefined while none is. */
  node: NodeId | undefined;
  /** Who is paid for the current attempt: the node's provider when it was assigned. */
  provider: AccountId | undefined;
  devices: readonly string[];
  /** Which of the job's alternatives the current attempt runs by; 0 while none is. */
  alternative: number;
  rateNano: bigint;
  /** The current attempt was sold as interruptible. */
  interruptible: boolean;
  assignedAt: number;
  /** 0 until `running` has been reported. */
  runningSince: number;
  stageSince: number;
  /** When the store first had no room for outputs of the current attempt; 0: it never was so. */
  heldAt: number;
  /** How often the upload of the current attempt came to wait for room, where the rules bound that. */
  holds: number;
  /** Set while that is so. */
  held: HeldUpload | undefined;
  /** While queued after an attempt: not placed before this time. */
  notBefore: number;
  /** Attempts that ended by the job's own error, by the provider's or the platform's, and by nobody's. */
  ownErrors: number;
  providerLosses: number;
  freeRequeues: number;
  /** The last nodes (at most `maxAvoided`) where a provider's fault ended it. */
  avoid: readonly NodeId[];
  hold: HoldState;
}
export const maxAvoided = 8;

export interface Task extends TaskTruth, Clocked<Task> {
  readonly id: TaskId;
  readonly job: JobId;
}

/** What the log means for a job, as it is written to snapshots with its tasks. */
export interface JobTruth {
  readonly id: JobId;
  readonly consumer: AccountId;
  /** As submitted, and what was learnt since of nodes that the image is not made for; replaced, never changed. */
  terms: JobTerms;
  readonly submittedAt: number;
  /** Order of submission. */
  readonly seq: number;
  cancelled: boolean;
}

/** What else is known of it is derived. */
export interface Job extends JobTruth, Clocked<Job> {
  readonly tasks: readonly Task[];
  // Counts of tasks by where they are; all but `untried` and `ready` partition the job.
  live: number;
  succeeded: number;
  failed: number;
  cancelledTasks: number;
  expired: number;
  /** Queued and never assigned, or closed out of nodes by their image: these the queue timeout ends. */
  untried: number;
  /** Attempts, current or not, that nodes have not let go of. */
  occupied: number;
  /** Queued and not backing off. */
  ready: number;
  /** No ready task has a lower index. */
  firstReady: number;
  /** What each task takes of its node. */
  readonly need: Capacity;
  /** Equal for jobs whose tasks may run on the same nodes at the same prices. */
  shape: string;
  /** Time of submission, moved by its priority: among jobs of one consumer the lowest goes first. */
  readonly turn: number;
  /** Its image was stopped: nothing of it is placed, and the tick ends its tasks. */
  isStopped: boolean;
  isIsolated: boolean;
  /** How many of `occupied` are on nodes of each provider, above 0. */
  readonly owners: Map<AccountId, number>;
}

/** Jobs of one consumer with ready tasks of one shape, in their turn. Derived. */
export interface Lane {
  readonly shape: string;
  readonly jobs: Job[];
}

/** What waits of one consumer. Derived. */
export interface ConsumerQueue {
  readonly account: Account;
  readonly byShape: Map<string, Lane>;
  /** By the turn of the first job. */
  readonly lanes: Lane[];
}

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
  readonly feed: ChangeFeed<NodeRecord, Job>;
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
