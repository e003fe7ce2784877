import { needOf } from '@capacloud/protocol/capacity/capacity';
import { invariant } from '../../assert.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import { isActive } from '../attempt/task-states.ts';
import { imageOf } from '../node/standing.ts';
import { hasQueueClock, hasTurnBefore, isReady } from './queue.ts';
import type { ConsumerQueue, Job } from './record.ts';

export function checkJobs(state: ReadOnly<State>): void {
  let untried = 0;
  for (const job of state.jobs.values()) {
    checkJob(state, job);
    checkCounts(job);
    if (job.untried > 0) untried += 1;
  }
  invariant(untried === state.queueClocks.size, 'queue clocks');
  for (const queue of state.waiting.values()) checkQueue(queue);
}

function checkJob(state: ReadOnly<State>, job: ReadOnly<Job>): void {
  const need = needOf(job.terms.resources);
  const isKept = need.every((amount, place) => amount === job.need[place]);
  invariant(isKept, `${job.id}: need`);
  const isWhole = job.terms.gang !== true || job.ready === 0 || job.ready === job.live;
  invariant(isWhole, `${job.id}: a part of a gang waits`);
  const isStopped = job.submittedAt < (state.images.get(imageOf(job))?.until ?? 0);
  invariant(job.isStopped === isStopped && state.stopped.has(job) === isStopped, `${job.id}: stopped`);
  invariant(job.isIsolated === state.isolated.has(job.id), `${job.id}: isolated`);
  const queued = state.waiting.get(job.consumer)?.byShape.get(job.shape)?.jobs.includes(job) ?? false;
  invariant(queued === job.ready > 0, `${job.id}: queue`);
}

function checkCounts(job: ReadOnly<Job>): void {
  const counts = { live: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0, untried: 0, ready: 0 };
  for (const task of job.tasks) {
    if (task.state === 'queued' || isActive(task.state)) counts.live += 1;
    if (task.state === 'queued' && hasQueueClock(job, task)) counts.untried += 1;
    if (isReady(task)) {
      counts.ready += 1;
      invariant(task.index >= job.firstReady, `${task.id} is before the first ready task`);
    }
    if (
      task.state === 'succeeded' ||
      task.state === 'failed' ||
      task.state === 'cancelled' ||
      task.state === 'expired'
    ) {
      counts[task.state] += 1;
    }
  }
  invariant(
    counts.live === job.live &&
      counts.succeeded === job.succeeded &&
      counts.failed === job.failed &&
      counts.cancelled === job.cancelledTasks &&
      counts.expired === job.expired &&
      counts.untried === job.untried &&
      counts.ready === job.ready,
    `${job.id}: counts`,
  );
}

function checkQueue({ account, byShape, lanes }: ReadOnly<ConsumerQueue>): void {
  invariant(lanes.length > 0 && lanes.length === byShape.size, 'an empty queue is kept');
  const firsts = lanes.flatMap(({ jobs }) => jobs[0] ?? []);
  invariant(inTurn(firsts), 'lanes are out of order');
  for (const lane of lanes) {
    invariant(lane.jobs.length > 0 && byShape.get(lane.shape) === lane, 'an empty lane is kept');
    invariant(inTurn(lane.jobs), 'a lane is out of order');
    for (const job of lane.jobs)
      invariant(
        job.shape === lane.shape && job.consumer === account.id,
        'a job waits in the queue of another',
      );
  }
}

function inTurn(jobs: readonly ReadOnly<Job>[]): boolean {
  return jobs.every((job, i) => {
    const before = jobs[i - 1];
    return before === undefined || hasTurnBefore(before, job);
  });
}
