import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import type { AttemptRef, AttemptStage } from '@capacloud/protocol/wire/frames';
import type { HoldCause, PublicTerms } from './event.ts';
import type { Ruleset } from './ruleset.ts';
import type { IsolationStop, Subject } from './subject.ts';

/** Every command carries the time (Unix milliseconds, coordinator's clock): the core has no clock of its own. */
interface Timed {
  readonly at: number;
}

export interface OpenLog extends Timed {
  readonly type: 'log.open';
  readonly origin: string;
  readonly ruleset: Ruleset;
}
export interface ChangeRuleset extends Timed {
  readonly type: 'ruleset.change';
  readonly ruleset: Ruleset;
}
export interface OpenAccount extends Timed {
  readonly type: 'account.open';
  readonly account: AccountId;
}
export interface CreditAccount extends Timed {
  readonly type: 'account.credit';
  readonly account: AccountId;
  readonly amountNano: bigint;
  readonly ref: string;
}

/** Nodes on which the image of a job does not run, as their owners say. */
export interface Misfit {
  /** The architecture that the image is not made for; empty where there is another cause. */
  readonly arch: string;
  /** Absent: the architecture. */
  readonly cause?: 'registry_not_allowed' | 'registry_failed' | 'image_too_large';
  /** When the last of them said so. */
  readonly at: number;
  /** Owners who said so, at most as many as the cause has. */
  readonly providers: readonly AccountId[];
  /** What the image is made for, by the last word of them. */
  readonly runsOn?: readonly string[];
}

/** The public part of a job, with its amounts as numbers. */
export interface JobTerms extends PublicTerms {
  readonly maxRateNano: bigint;
  readonly holdNano: bigint;
  /** Learnt from attempts; absent where there is nothing to tell. */
  readonly misfits?: readonly Misfit[];
}
export interface SubmitJob extends Timed {
  readonly type: 'job.submit';
  readonly job: JobId;
  readonly consumer: AccountId;
  readonly terms: JobTerms;
}
export interface CancelJob extends Timed {
  readonly type: 'job.cancel';
  readonly job: JobId;
  readonly consumer: AccountId;
  /** By the operator: also where the job is isolated. */
  readonly isForced?: true;
}

/** An authenticated session opened. `held` are the attempts that the agent says it holds. */
export interface ConnectNode extends Timed {
  readonly type: 'node.connect';
  readonly node: NodeId;
  readonly provider: AccountId;
  readonly offer: Offer;
  readonly accepting: boolean;
  readonly held: readonly AttemptRef[];
  /** When the agent was heard to say so; absent: at the time of the command. It knows nothing of what was assigned since. */
  readonly saidAt?: number;
}
export interface ChangeOffer extends Timed {
  readonly type: 'node.change_offer';
  readonly node: NodeId;
  readonly offer: Offer;
  readonly accepting: boolean;
}
/** By the operator. */
export interface DirectNode extends Timed {
  readonly type: 'node.direct';
  readonly node: NodeId;
  readonly to: 'cordon' | 'uncordon' | 'drain';
}

export interface ReportProgress extends Timed {
  readonly type: 'attempt.progress';
  readonly node: NodeId;
  readonly task: TaskId;
  readonly attempt: number;
  readonly stage: AttemptStage;
}
/** A receipt whose signature, nonce and shape the gateway has checked. */
export interface FinishAttempt extends Timed {
  readonly type: 'attempt.finish';
  readonly node: NodeId;
  readonly task: TaskId;
  readonly attempt: number;
  readonly reason: OutcomeReason;
  readonly exitCode?: number;
  readonly receipt: Sha256Hex;
  /** Architectures that the image is made for, where it is not made for that of the node. */
  readonly imageRunsOn?: readonly string[];
  /** finishedAt − startedAt by the agent's clock; the charge never exceeds it. */
  readonly claimedRunMs: number;
}

/** The store refused outputs of the attempt for want of room. From the coordinator's own store alone, never from an agent. */
export interface HoldUpload extends Timed {
  readonly type: 'attempt.hold_upload';
  readonly node: NodeId;
  readonly task: TaskId;
  readonly attempt: number;
  readonly cause: HoldCause;
  /** Nothing of anybody can be stored now. */
  readonly isFull: boolean;
  readonly sizeBytes: number;
}
/** The store has room again for what it refused. */
export interface ResumeUpload extends Timed {
  readonly type: 'attempt.resume_upload';
  readonly task: TaskId;
  readonly attempt: number;
}

/** When a node was heard: last, and since when without a silence or a new session. Unix milliseconds. */
export interface Contact {
  readonly lastAt: number;
  readonly sinceAt: number;
}

/** A decision broke an invariant and was dropped. From the coordinator itself alone. */
export interface IsolateSubject extends Timed {
  readonly type: 'subject.isolate';
  readonly subject: Subject;
  readonly stops: readonly IsolationStop[];
  readonly cause: string;
  /** Of a node: the job that it may have been instead. */
  readonly beside?: JobId;
}
/** By the operator. */
export interface ReinstateSubject extends Timed {
  readonly type: 'subject.reinstate';
  readonly subject: Subject;
}

/**
 * The reconciler's heartbeat: it takes what time has changed (silent nodes, expired clocks, backoffs) and
 * places waiting tasks. `heard` tells of connected and of recently connected nodes; before `listeningSince` the
 * coordinator was not there to hear anybody.
 */
export interface Tick extends Timed {
  readonly type: 'tick';
  readonly heard: ReadonlyMap<NodeId, Contact>;
  readonly listeningSince: number;
}

/** Places waiting tasks now; issued when capacity or work arrived, so that nothing waits for the next tick. */
export interface Place extends Timed {
  readonly type: 'place';
}

export type Command =
  | OpenLog
  | ChangeRuleset
  | OpenAccount
  | CreditAccount
  | SubmitJob
  | CancelJob
  | ConnectNode
  | ChangeOffer
  | DirectNode
  | ReportProgress
  | FinishAttempt
  | HoldUpload
  | ResumeUpload
  | IsolateSubject
  | ReinstateSubject
  | Tick
  | Place;
