import type { JobTerms } from '@capacloud/core/contract/command';
import type { HoldCause, NodeStatus } from '@capacloud/core/contract/event';
import type { Ruleset } from '@capacloud/core/contract/ruleset';
import type { Contention, DimensionView } from '@capacloud/protocol/capacity/dimensions';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { Obstacle } from '@capacloud/protocol/catalogue/obstacles';
import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import type { Result } from '@capacloud/protocol/result';
import type { AttemptRef } from '@capacloud/protocol/wire/frames';

/**
 * What the rooms may ask about the live state. An answer is given only once everything that it rests on is on disk, so that
 * nobody is shown what a crash could take back. Answers are frozen copies of plain data, fit to be sent to another process.
 * Each room names the questions that it asks; no room holds the state. Times are Unix milliseconds, amounts nano-CAPA.
 */

/** An attempt and the node that has it. */
export interface NodeAttempt extends AttemptRef {
  readonly node: NodeId;
}

/** An attempt that should be on a node. */
export interface DesiredAttempt extends NodeAttempt {
  readonly consumer: AccountId;
  readonly devices: readonly string[];
  /** Which of the job's alternatives it runs by. */
  readonly alternative: number;
}

// ——— gateway

/** What a gateway begins with. Committed events from `size` on bring what changed since. */
export interface Standing {
  readonly size: number;
  readonly nodes: readonly NodeId[];
  readonly desired: readonly DesiredAttempt[];
  readonly ruleset: Ruleset;
}

/** What is known of a node that says hello. */
export interface Acquaintance {
  readonly isKnown: boolean;
  /** Something was paid for its work. */
  readonly isProven: boolean;
  /** Nodes for whose work nothing was paid yet, and how many there may be. */
  readonly unproven: { readonly size: number; readonly atMost: number };
}

/** A node as it last presented itself. */
export interface KnownNode {
  readonly provider: AccountId;
  readonly offer: Offer;
  readonly accepting: boolean;
  readonly isProven: boolean;
}

export interface GatewayQuestions {
  standing(): Promise<Standing>;
  acquaintance(node: NodeId): Promise<Acquaintance>;
  knownNode(node: NodeId): Promise<KnownNode | undefined>;
  /** Those of the nodes for whose work something was paid. */
  provenAmong(nodes: readonly NodeId[]): Promise<readonly NodeId[]>;
  /** Attempts that have ended and that their nodes have not let go of. */
  unreleased(): Promise<readonly NodeAttempt[]>;
  /** Whose the attempt is, while the node holds it. */
  consumerOfHeld(attempt: NodeAttempt): Promise<AccountId | undefined>;
}

// ——— artifacts

/** What may still come of an attempt that a node holds: `early` before it uploads, `ended` where it has been stopped. */
export type HeldStage = 'early' | 'uploading' | 'verifying' | 'ended';

/** An attempt that its node has not let go of. */
export interface HeldAttempt extends AttemptRef {
  readonly stage: HeldStage;
  /** Of its job: undefined where the job has left the live state. */
  readonly consumer: AccountId | undefined;
  readonly diskBytes: number | undefined;
}

/** An upload that waits for room. */
export interface HeldUpload extends AttemptRef {
  readonly consumer: AccountId;
  readonly cause: HoldCause;
  readonly sizeBytes: number;
}

export interface ArtifactQuestions {
  /** The job may still start attempts, or nodes hold some of its attempts. */
  isInState(job: JobId): Promise<boolean>;
  /** What the node should run now. */
  desiredOn(node: NodeId): Promise<readonly DesiredAttempt[]>;
  heldBy(node: NodeId): Promise<readonly HeldAttempt[]>;
  /** The stage of each of the attempts, in their order; undefined where its node does not hold it. */
  stagesOf(attempts: readonly NodeAttempt[]): Promise<readonly (HeldStage | undefined)[]>;
  /** Held uploads, the first held first. */
  heldUploads(): Promise<readonly HeldUpload[]>;
  /** Those of the tasks that have not ended. */
  liveAmong(tasks: readonly TaskId[]): Promise<readonly TaskId[]>;
  /** Attempts that upload now on nodes of the provider. */
  uploadingFor(provider: AccountId): Promise<readonly NodeAttempt[]>;
}

// ——— API

/** Told from what was last committed, so that it is told at once, even while the disk does not answer. */
export interface Health {
  /** Nothing is placed. */
  readonly isPaused: boolean;
  /** Subjects over which the books broke. */
  readonly isolated: number;
}

/** What runs on a node takes of its offer, and how many devices it uses. */
export type NodeUse = Readonly<Record<DimensionView | 'devices', number>>;

export interface WaitingReason {
  readonly reason: TaskReason;
  readonly message: string;
}

/** How many nodes an obstacle keeps a task from. */
export interface ObstacleCount {
  readonly obstacle: Obstacle;
  readonly nodes: number;
  /** Nodes that nothing else keeps it from, but what passes by itself. */
  readonly alone: number;
  readonly examples: readonly NodeId[];
}

/** The smallest change of one wish of a job that opens a node, in the units of the terms. */
export interface TaskChange {
  readonly obstacle: Obstacle;
  /** Absent where the wish has to go. */
  readonly to?: bigint | number | string | readonly string[];
  /** Which one, where the job has a list of such wishes; of labels also the key that it asks for. */
  readonly at?: number;
  readonly key?: string;
  /** Nodes that the change opens, and how many of them have room now. */
  readonly nodes: number;
  readonly free: number;
}

/** What keeps a task from the nodes, and what would help. */
export interface TaskExplanation {
  /** Nodes that were looked at, those that would do once free, and those that would do now. */
  readonly nodes: number;
  readonly suitable: number;
  readonly free: number;
  readonly obstacles: readonly ObstacleCount[];
  readonly changes: readonly TaskChange[];
}

/** What keeps every task away from a node. */
export type NodeClosure =
  | Contention
  | Extract<Obstacle, 'node_silent' | 'node_isolated' | 'node_closed' | 'node_backing_off' | 'node_kept'>;

/** What the owner of a node could change, and how many tasks that would open it to. */
export interface OwnerChange {
  readonly obstacle: Obstacle;
  /** Of prices thousandths of what is asked now, of sizes as in the offer, of CUDA a version. */
  readonly to?: number | string;
  readonly tasks: number;
}

/** How the tasks that wait stand to a node. */
export interface NodeQueue {
  readonly tasks: number;
  readonly suitable: number;
  readonly free: number;
  /** Every kind of waiting task was looked at. */
  readonly isComplete: boolean;
  readonly obstacles: readonly {
    readonly obstacle: Obstacle;
    readonly tasks: number;
    readonly alone: number;
  }[];
  readonly changes: readonly OwnerChange[];
}

export interface NodeExplanation {
  readonly id: NodeId;
  readonly status: NodeStatus;
  readonly cause: string;
  readonly statusSince: number;
  readonly directive: 'none' | 'cordon' | 'drain';
  readonly closedBy: readonly NodeClosure[];
  readonly isResting: boolean;
  readonly restUntil: number;
  readonly reliability: {
    readonly attempts: number;
    readonly failed: number;
    readonly failedInRow: number;
    readonly silences: number;
    readonly tries: number;
  };
  readonly queue: NodeQueue | undefined;
}

/** Kinds of waiting tasks that an explanation of a node looks at: as many as say how it stands in the market. */
export const maxShapes = 2000;

export interface NodeLook {
  readonly at: number;
  /** Whether to look at the tasks that wait as well. */
  readonly withQueue: boolean;
}

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

/** What a job asks for, before anything is said of money. */
export type UnpricedTerms = Omit<JobTerms, 'maxRateNano' | 'holdNano'>;

export interface ApiQuestions {
  health(): Promise<Health>;
  ruleset(): Promise<Ruleset>;
  nodeCount(): Promise<number>;
  hasAccount(account: AccountId): Promise<boolean>;
  /** Some of the tasks of the job have not ended. */
  isLive(job: JobId): Promise<boolean>;
  /** The provider of a node that is in the live state. */
  providerOf(node: NodeId): Promise<AccountId | undefined>;
  useOf(node: NodeId): Promise<NodeUse>;
  /** Why queued tasks of the job wait; undefined when none does. Looks at every node. */
  waitingReason(job: JobId): Promise<WaitingReason | undefined>;
  /** Looks at every node. Undefined where the task does not wait. */
  explainTask(task: TaskId, signal: AbortSignal): Promise<TaskExplanation | undefined>;
  /** With the queue it looks at every kind of waiting task. Undefined for a node that is not in the live state. */
  explainNode(node: NodeId, look: NodeLook, signal: AbortSignal): Promise<NodeExplanation | undefined>;
  /** Looks at every node. */
  book(): Promise<readonly BookClass[]>;
  /** What is asked for such a task now, or was a moment ago. */
  usualRate(terms: UnpricedTerms): Promise<bigint>;
  /** Looks at every node. Refuses what the core would refuse, but for want of money. */
  plan(question: PlanQuestion, signal: AbortSignal): Promise<Result<Plan>>;
}

export interface Questions extends GatewayQuestions, ArtifactQuestions, ApiQuestions {}
