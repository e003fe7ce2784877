import { storageObstacle } from '../slices/attempt/upload-hold.ts';
import type { Lane } from '../slices/job/queue.ts';
import type { Job, NodeRecord, State } from '../state.ts';

/** Since when nothing of the lane was placed, and its first job waits. */
export function waitsSince(lane: Lane, job: Job): number {
  const task = job.tasks[job.firstReady];
  return Math.max(lane.servedAt, task?.stageSince ?? 0, task?.notBefore ?? 0);
}

/** Nothing of the job is placed now, whatever room there is: it is isolated, its image was stopped, or its outputs could not be stored. */
export function isKeptBack(state: Pick<State, 'accounts' | 'fullHolds' | 'held'>, job: Job): boolean {
  return job.isStopped || job.isIsolated || storageObstacle(state, job) !== undefined;
}

/** As far as its status tells. */
export function takesWork({ accepting, isIsolated, isResting, status }: NodeRecord): boolean {
  return status === 'ready' && accepting && !isResting && !isIsolated;
}
