import type { Lane } from '../job/queue.ts';
import type { Job, NodeRecord } from '../state.ts';

/** Since when nothing of the lane was placed, and its first job waits. */
export function waitsSince(lane: Lane, job: Job): number {
  const task = job.tasks[job.firstReady];
  return Math.max(lane.servedAt, task?.stageSince ?? 0, task?.notBefore ?? 0);
}

/** As far as its status tells. */
export function takesWork({ accepting, isResting, status }: NodeRecord): boolean {
  return status === 'ready' && accepting && !isResting;
}
