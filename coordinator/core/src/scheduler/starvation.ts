import type { JobId } from '@capacloud/protocol/ids';
import type { ReadOnly } from '../read-only.ts';
import { storageObstacle } from '../slices/attempt/upload-hold.ts';
import type { Job } from '../slices/job/record.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import type { State } from '../state.ts';
import type { Keepings } from './keepings.ts';
import type { WaitingNotes } from './lane-notes.ts';
import type { OfferedTotal } from './offered-total.ts';
import type { NodeTable } from './order/node-table.ts';

/** What the reviews of a tick see and change of the scheduler's notes. */
export interface ReviewNotes {
  readonly busy: { job: JobId | undefined };
  readonly keepings: Keepings;
  readonly offered: OfferedTotal;
  readonly table: NodeTable;
  readonly waiting: WaitingNotes;
  hasNews(state: Pick<ReadOnly<State>, 'feed'>): boolean;
  stir(): void;
}

/** Since when its first job waits and nothing of its lane was placed. `servedAt` is when that was last done. */
export function waitsSince(job: ReadOnly<Job>, servedAt: number): number {
  const task = job.tasks[job.firstReady];
  return Math.max(servedAt, task?.stageSince ?? 0, task?.notBefore ?? 0);
}

/** Nothing of the job is placed now, whatever room there is: it is isolated, its image was stopped, or its outputs could not be stored. */
export function isKeptBack(
  state: Pick<ReadOnly<State>, 'accounts' | 'fullHolds' | 'held'>,
  job: ReadOnly<Job>,
): boolean {
  // guard: place nothing of a stopped image
  // guard: nothing new comes for want of room
  return job.isStopped || job.isIsolated || storageObstacle(state, job) !== undefined;
}

/** As far as its status tells. */
export function takesWork({ accepting, isIsolated, isResting, status }: ReadOnly<NodeRecord>): boolean {
  return status === 'ready' && accepting && !isResting && !isIsolated;
}
