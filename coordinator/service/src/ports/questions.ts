import type { JobTerms } from '@capacloud/core/contract/command';
import type { HoldCause } from '@capacloud/core/contract/event';
import type { Ruleset } from '@capacloud/core/contract/ruleset';
import type { DimensionView } from '@capacloud/protocol/capacity/dimensions';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { AccountId, JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import type { Result } from '@capacloud/protocol/result';
import type { AttemptRef } from '@capacloud/protocol/wire/frames';
import type { NodeExplanation, NodeLook, TaskExplanation, WaitingReason } from './explanations.ts';
import type { BookClass, Plan, PlanQuestion } from './market-answers.ts';

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

/** What a job asks for, before anything is said of money. */
export type UnpricedTerms = Omit<JobTerms, 'maxRateNano' | 'holdNano'>;

export interface ApiQuestions {
  health(): Promise<Health>;
  ruleset(): Promise<Ruleset>;
  nodeCount(): Promise<number>;
  hasAccount(account: AccountId): Promise<boolean>;
  /** The provider of a node that is in the live state. */
  providerOf(node: NodeId): Promise<AccountId | undefined>;
  /** In the order of the nodes. */
  usesOf(nodes: readonly NodeId[]): Promise<readonly NodeUse[]>;
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
