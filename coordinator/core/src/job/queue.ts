import { mustGet } from '../assert.ts';
import type { Job, State, Task } from '../state.ts';

/** The queue of tasks: first come, first served by job, then by index. Backing-off tasks wait in a wheel beside it. */

export function isReady(task: Task): boolean {
  return task.state === 'queued' && task.bucket === undefined;
}

/** Text that is equal for jobs whose tasks may run on the same nodes at the same prices. */
export function shapeOf(terms: Job['terms']): string {
  const { resources: r, providers, excludeProviders } = terms;
  const devices = r.devices === undefined ? '' : JSON.stringify(r.devices);
  return `${r.cpuMilli} ${r.memoryBytes} ${r.diskBytes} ${terms.maxRateNano} ${terms.needsRoot ? 1 : 0} ${providers.join()} ${excludeProviders.join()} ${devices}`;
}

/** `count` tasks of the job became ready, none with an index below `firstIndex`. */
export function addReady(state: State, job: Job, firstIndex: number, count: number): void {
  if (count === 0) return;
  if (job.ready === 0) enqueue(state, job);
  job.ready += count;
  if (firstIndex < job.firstReady) job.firstReady = firstIndex;
  state.schedule.changed = true;
}

/** The task leaves the queue, wherever in it it waits. Call while it is still `queued`. */
export function leaveQueue(state: State, job: Job, task: Task): void {
  if (task.attempt === 0) {
    job.untried -= 1;
    if (job.untried === 0) state.queueClocks.remove(job);
  }
  if (task.bucket !== undefined) {
    state.backoffs.remove(task);
    return;
  }
  job.ready -= 1;
  if (job.ready === 0) {
    job.firstReady = job.tasks.length;
    dequeue(state, job);
  } else if (task.index === job.firstReady) {
    let next = task.index + 1;
    for (let other = job.tasks[next]; other !== undefined && !isReady(other); other = job.tasks[next])
      next += 1;
    job.firstReady = next;
  }
}

/** The task waits again. Call once it is `queued`. */
export function rejoinQueue(state: State, job: Job, task: Task, at: number): void {
  if (task.notBefore > at) state.backoffs.add(task, task.notBefore);
  else addReady(state, job, task.index, 1);
}

/**
 * Tasks whose backoff is over become ready. Only derived indexes move, so a decision may do it as well as an
 * event: no hash and no event tells the difference.
 */
export function endBackoffs(state: State, at: number): void {
  if (state.backoffs.earliest() > at) return;
  for (const task of state.backoffs.due(at, Number.POSITIVE_INFINITY)) {
    state.backoffs.remove(task);
    addReady(state, mustGet(state.jobs, task.job, 'job'), task.index, 1);
  }
}

/** First position of a job with at least this seq. */
export function positionOf(jobs: readonly Job[], seq: number): number {
  let low = 0;
  let high = jobs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((jobs[middle]?.seq ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

function enqueue(state: State, job: Job): void {
  const queue = state.waiting.get(job.shape);
  if (queue === undefined) {
    state.waiting.set(job.shape, { shape: job.shape, jobs: [job] });
    return;
  }
  const last = queue.jobs.at(-1);
  if (last === undefined || last.seq < job.seq) queue.jobs.push(job);
  else queue.jobs.splice(positionOf(queue.jobs, job.seq), 0, job);
}

function dequeue(state: State, job: Job): void {
  const { jobs } = mustGet(state.waiting, job.shape, 'queue of shape');
  if (jobs[0] === job) jobs.shift();
  else jobs.splice(positionOf(jobs, job.seq), 1);
  if (jobs.length === 0) state.waiting.delete(job.shape);
}
