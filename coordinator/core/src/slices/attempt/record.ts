import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import type { Clocked } from '../../clock-wheel.ts';
import type { HoldState } from '../account/hold-states.ts';
import type { HeldUpload } from './occupancy.ts';
import type { TaskState } from './task-states.ts';

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

export interface Task extends TaskTruth, Clocked<Task> {
  readonly id: TaskId;
  readonly job: JobId;
}

export const maxAvoided = 8;
