import type { LabelConstraint } from '@capacloud/protocol/capacity/labels';
import type { Offer, Resources } from '@capacloud/protocol/capacity/resources';
import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import type { AttemptStage } from '@capacloud/protocol/wire/frames';
import type { Ruleset } from './ruleset.ts';
import type { IsolationStop, Subject } from './subject.ts';

/**
 * Events are public facts, append-only and for ever: a log written by an older release must replay. A field
 * may be added as optional; nothing is renamed, removed or given another meaning. `at` is the coordinator's
 * clock in Unix milliseconds. Amounts are decimal strings of nano-CAPA. Private matter (command lines,
 * environment, labels, image names) is not here: `specHash` is its salted SHA-256.
 */
interface Stamped {
  readonly at: number;
}

/** First event of every log. */
export interface LogOpened extends Stamped {
  readonly type: 'log.opened';
  readonly origin: string;
  readonly ruleset: Ruleset;
}
export interface RulesetChanged extends Stamped {
  readonly type: 'ruleset.changed';
  readonly ruleset: Ruleset;
}

// ——— ledger
export interface AccountOpened extends Stamped {
  readonly type: 'account.opened';
  readonly account: AccountId;
}
/** The operator grants tokens to an account, out of the emission account. `ref` makes it happen once. */
export interface AccountCredited extends Stamped {
  readonly type: 'account.credited';
  readonly account: AccountId;
  readonly amountNano: string;
  readonly ref: string;
}

// ——— nodes
export interface NodeJoined extends Stamped {
  readonly type: 'node.joined';
  readonly node: NodeId;
  readonly provider: AccountId;
}
/** What the node sells changed, or whether its owner takes new work. */
export interface NodeOffered extends Stamped {
  readonly type: 'node.offered';
  readonly node: NodeId;
  readonly provider: AccountId;
  readonly offer: Offer;
  readonly accepting: boolean;
}
export type NodeStatus = 'joining' | 'ready' | 'cordoned' | 'draining' | 'unknown' | 'lost' | 'gone';
export interface NodeStatusChanged extends Stamped {
  readonly type: 'node.status_changed';
  readonly node: NodeId;
  readonly to: NodeStatus;
  /** Code of the cause: connected, silent, lease_lapsed, owner_paused, owner_resumed, operator_cordoned, operator_uncordoned, operator_drained, drained, removed. */
  readonly cause: string;
}

/**
 * The node leaves the live state with everything that is known of it; its next hello is a join. Causes: `unproven` (it was
 * lost before anything was paid for its work), `replaced` (so was it silent, and a newcomer took its room), `away` (of more
 * nodes than are kept while they are lost, it was lost the longest).
 */
export interface NodeForgotten extends Stamped {
  readonly type: 'node.forgotten';
  readonly node: NodeId;
  readonly cause: 'unproven' | 'replaced' | 'away';
}

// ——— jobs
/** What the log shows of a job. */
export interface PublicTerms {
  readonly specHash: Sha256Hex;
  /** Equal for the consumer's jobs of one image, and tells nothing else of it; absent in older logs. */
  readonly image?: string;
  readonly tasks: number;
  readonly resources: Resources;
  readonly needsRoot: boolean;
  readonly providers: readonly AccountId[];
  readonly excludeProviders: readonly AccountId[];
  /** Any of these; absent where any will do, as is a list of no constraints. */
  readonly regions?: readonly string[];
  readonly constraints?: readonly LabelConstraint[];
  readonly queueTimeoutMs: number;
  readonly runTimeoutMs: number;
  readonly stopGraceMs: number;
  readonly maxAttempts: number;
  readonly retryOn: readonly ('error' | 'timeout' | 'oom')[];
  readonly retryExitCodes: readonly number[];
  readonly backoffInitialMs: number;
  readonly backoffMaxMs: number;
  readonly providerLost: number;
  /** Among its consumer's jobs; absent: 0. */
  readonly priority?: number;
  /** All tasks are placed together or none is. */
  readonly gang?: true;
  /** Sold for less where the owner offers that, and stopped there for who pays in full. */
  readonly interruptible?: true;
  /** What a task has in a folder when it makes way is there again when it goes on. */
  readonly checkpoint?: true;
  /** Its tasks bring outputs, so they need room in the artifact store. */
  readonly outputs?: true;
}
export interface JobSubmitted extends Stamped, PublicTerms {
  readonly type: 'job.submitted';
  readonly job: JobId;
  readonly consumer: AccountId;
  /** Ceiling of what one task may cost an hour. */
  readonly maxRateNano: string;
  /** Held for each task until it ends. */
  readonly holdNano: string;
}
export interface JobCancelled extends Stamped {
  readonly type: 'job.cancelled';
  readonly job: JobId;
}
/** A device that was healthy was quarantined by its node while an attempt of the image had it, or just after. */
export interface DeviceFault {
  readonly at: number;
  readonly device: string;
  readonly node: NodeId;
  readonly provider: AccountId;
}

/** Devices of several providers were lost to one image: its tasks end, and no job with it is taken until then. */
export interface ImagePoisoned extends Stamped {
  readonly type: 'image.poisoned';
  /** As in the public terms; the id of the job where these name no image. */
  readonly image: string;
  readonly until: number;
  readonly faults: readonly DeviceFault[];
}

/** A task ended without an attempt of its own to blame: it waited too long, or its image was stopped. */
export interface TaskEnded extends Stamped {
  readonly type: 'task.ended';
  readonly task: TaskId;
  readonly outcome: 'cancelled' | 'expired';
  readonly reason: TaskReason;
}
/** All tasks have ended and no attempt occupies a node: the job leaves the live state. */
export interface JobSettled extends Stamped {
  readonly type: 'job.settled';
  readonly job: JobId;
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly expired: number;
}

// ——— attempts
export interface AttemptAssigned extends Stamped {
  readonly type: 'attempt.assigned';
  readonly task: TaskId;
  readonly attempt: number;
  readonly node: NodeId;
  readonly devices: readonly string[];
  /** Which of the job's alternatives the task runs by; absent for the first. It decides what is occupied, sent and charged. */
  readonly alternative?: number;
  /** What the node asks an hour for this task's resources. */
  readonly rateNano: string;
  /** It was sold as interruptible: for less, and so that it may be stopped for others. */
  readonly interruptible?: true;
}
export interface AttemptProgressed extends Stamped {
  readonly type: 'attempt.progressed';
  readonly task: TaskId;
  readonly attempt: number;
  readonly stage: AttemptStage;
}
/**
 * The coordinator refused outputs of an attempt in `uploading`, because there was no room for them. Its clock stands still,
 * and of its node it takes nothing but disk from here on.
 */
export interface UploadHeld extends Stamped {
  readonly type: 'upload.held';
  readonly task: TaskId;
  readonly attempt: number;
  /** Whose room is used up: that of the consumer's account, or the whole store. */
  readonly cause: HoldCause;
  /** Nothing of anybody can be stored now; absent where smaller outputs could be. */
  readonly full?: true;
  /** What has to be free beyond what was announced before. */
  readonly sizeBytes: number;
}
export type HoldCause = 'account' | 'store';
/** There is room for what was refused: the stage begins again. */
export interface UploadResumed extends Stamped {
  readonly type: 'upload.resumed';
  readonly task: TaskId;
  readonly attempt: number;
}
export type AfterAttempt =
  | {
      readonly kind: 'succeeded';
      readonly chargeNano: string;
      readonly payNano: string;
      readonly feeNano: string;
      readonly meteredMs: number;
    }
  | { readonly kind: 'requeued'; readonly budget: 'own' | 'provider' | 'free'; readonly notBefore: number }
  | { readonly kind: 'failed' };
/** An attempt ended and its task goes on, or ends with it. */
export interface AttemptEnded extends Stamped {
  readonly type: 'attempt.ended';
  readonly task: TaskId;
  readonly attempt: number;
  readonly reason: TaskReason;
  readonly exitCode?: number;
  /**
   * The account for whose task it was preempted, also of the rest of a gang. Absent where it was not, and in logs of older
   * releases.
   */
  readonly preemptedFor?: AccountId;
  /** With the reason image_wrong_platform: architectures that the image is made for, where its node knows. */
  readonly imageRunsOn?: readonly string[];
  /** Hash of the signed receipt, where there is one. */
  readonly receipt?: Sha256Hex;
  /** False where the node may still hold the container: its resources stay taken until attempt.released. */
  readonly released: boolean;
  readonly then: AfterAttempt;
}
/** A node has let go of an attempt that ended earlier without its word. */
export interface AttemptReleased extends Stamped {
  readonly type: 'attempt.released';
  readonly task: TaskId;
  readonly attempt: number;
  readonly node: NodeId;
}

// ——— faults of the coordinator itself
/**
 * A decision broke an invariant and was dropped; this node, job or account is what it was about. Replaces what was said of it
 * before.
 */
export interface SubjectIsolated extends Stamped {
  readonly type: 'subject.isolated';
  readonly subject: Subject;
  readonly stops: readonly IsolationStop[];
  /** Type of the command. */
  readonly cause: string;
  /** Of a node: the job that was placed or reported, which it may have been instead. */
  readonly beside?: JobId;
}
export interface SubjectReinstated extends Stamped {
  readonly type: 'subject.reinstated';
  readonly subject: Subject;
}

export type Event =
  | LogOpened
  | RulesetChanged
  | AccountOpened
  | AccountCredited
  | NodeJoined
  | NodeOffered
  | NodeStatusChanged
  | NodeForgotten
  | JobSubmitted
  | JobCancelled
  | ImagePoisoned
  | TaskEnded
  | JobSettled
  | AttemptAssigned
  | AttemptProgressed
  | UploadHeld
  | UploadResumed
  | AttemptEnded
  | AttemptReleased
  | SubjectIsolated
  | SubjectReinstated;
export type EventType = Event['type'];
export type EventOf<T extends EventType> = Extract<Event, { readonly type: T }>;
