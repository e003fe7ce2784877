import type { JobId, TaskId } from '@capacloud/protocol/ids';
import type { HoldCause } from '../../contract/event.ts';

/** What an attempt takes of a node, current or not, until the node has let go of it. */
export interface Occupancy {
  readonly task: TaskId;
  readonly job: JobId;
  readonly attempt: number;
  readonly devices: readonly string[];
  /** Which of the job's alternatives it runs by. */
  readonly alternative: number;
  /** Its outputs wait for room in the store: of the node it takes nothing but their disk. */
  readonly isHeld?: true;
}

/** What the store had no room for, of an attempt in `uploading`. */
export interface HeldUpload {
  readonly cause: HoldCause;
  readonly full?: true;
  readonly sizeBytes: number;
}
