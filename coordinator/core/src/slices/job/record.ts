import type { Capacity } from '@capacloud/protocol/capacity/capacity';
import type { AccountId, JobId } from '@capacloud/protocol/ids';
import type { Clocked } from '../../clock-wheel.ts';
import type { JobTerms } from '../../contract/command.ts';
import type { DeviceFault } from '../../contract/event.ts';
import type { Account } from '../account/record.ts';
import type { Task } from '../attempt/record.ts';

/** What devices of the network were lost to an image, and until when it is stopped. */
export interface ImageRecord {
  readonly faults: readonly DeviceFault[];
  /** 0: it is not. */
  readonly until: number;
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
