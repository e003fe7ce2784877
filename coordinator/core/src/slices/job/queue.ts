import { dimensionRows } from '@capacloud/protocol/capacity/dimensions';
import { mustGet } from '../../assert.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import type { Task } from '../attempt/record.ts';
import type { ConsumerQueue, Job, Lane } from './record.ts';

/**
 * The queue of tasks: by consumer, then by shape, then by the turn of the job and by index. Backing-off tasks wait in a
 * wheel beside it.
 */

export function isReady(task: ReadOnly<Task>): boolean {
  return task.state === 'queued' && task.dueAt === 0;
}

/** Whether the queue timeout ends the task while it waits: it was never assigned, or nodes are closed to its job because of its image. */
export function hasQueueClock({ terms }: ReadOnly<Job>, { attempt }: ReadOnly<Task>): boolean {
  // guard: let the queue timeout count where nothing ran
  return attempt === 0 || terms.misfits !== undefined;
}

/** Text that is equal for jobs whose tasks may run on the same nodes at the same prices. */
export function shapeOf(terms: Job['terms']): string {
  const { resources: r, providers, excludeProviders, regions, constraints } = terms;
  let amounts = '';
  for (const { taken } of dimensionRows) amounts += `${taken(r)} `;
  const devices = r.devices === undefined ? '' : JSON.stringify(r.devices);
  const alternatives = r.alternatives === undefined ? '' : JSON.stringify(r.alternatives);
  const labels =
    regions === undefined && constraints === undefined ? '' : JSON.stringify({ regions, constraints });
  const misfits =
    terms.misfits
      ?.map(({ arch, cause = '', providers }) => `${arch}${cause}:${providers.join()}`)
      .join(';') ?? '';
  // guard: keep shapes apart that wish for other labels
  return `${amounts}${terms.maxRateNano} ${terms.needsRoot ? 1 : 0}${terms.interruptible === true ? 'i' : ''} ${terms.runTimeoutMs} ${providers.join()} ${excludeProviders.join()} ${devices}${alternatives}${labels}${misfits}`;
}

/** Other nodes may take the job from now on: it changes its lane. */
export function reshape(state: State, job: Job, terms: Job['terms']): void {
  if (job.ready > 0) dequeue(state, job);
  job.terms = terms;
  job.shape = shapeOf(terms);
  if (job.ready > 0) enqueue(state, job);
  state.feed.arrivals += 1;
}

/** Whether it is the turn of job a before that of b, both of one consumer. */
export function hasTurnBefore(a: ReadOnly<Job>, b: ReadOnly<Job>): boolean {
  return a.turn !== b.turn ? a.turn < b.turn : a.seq < b.seq;
}

/** `count` tasks of the job became ready, none with an index below `firstIndex`. */
export function addReady(state: State, job: Job, firstIndex: number, count: number): void {
  if (count === 0) return;
  if (job.ready === 0) enqueue(state, job);
  job.ready += count;
  if (firstIndex < job.firstReady) job.firstReady = firstIndex;
  state.feed.arrivals += 1;
}

/** The task leaves the queue, wherever in it it waits. Call while it is still `queued`. */
export function leaveQueue(state: State, job: Job, task: Task): void {
  if (hasQueueClock(job, task)) {
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

/** First position of a job whose turn is not before that of the given one. */
export function positionOf(jobs: readonly ReadOnly<Job>[], job: ReadOnly<Job>): number {
  return firstPosition(jobs, (other) => !hasTurnBefore(other, job));
}

function firstPosition<T>(items: readonly T[], isAfter: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = items[middle];
    if (item !== undefined && !isAfter(item)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function enqueue(state: State, job: Job): void {
  let queue = state.waiting.get(job.consumer);
  if (queue === undefined) {
    const account = mustGet(state.accounts, job.consumer, 'account');
    queue = { account, byShape: new Map(), lanes: [] };
    state.waiting.set(job.consumer, queue);
  }
  const lane = queue.byShape.get(job.shape);
  if (lane === undefined) {
    const added = { shape: job.shape, jobs: [job] };
    queue.byShape.set(job.shape, added);
    insertLane(queue, added);
    return;
  }
  const last = lane.jobs.at(-1);
  if (last === undefined || hasTurnBefore(last, job)) lane.jobs.push(job);
  else {
    const position = positionOf(lane.jobs, job);
    if (position > 0) lane.jobs.splice(position, 0, job);
    else changeFirst(queue, lane, () => lane.jobs.unshift(job));
  }
}

function dequeue(state: State, job: Job): void {
  const queue = mustGet(state.waiting, job.consumer, 'queue of consumer');
  const lane = mustGet(queue.byShape, job.shape, 'queue of shape');
  if (lane.jobs[0] !== job) {
    lane.jobs.splice(positionOf(lane.jobs, job), 1);
    return;
  }
  if (lane.jobs.length > 1) {
    changeFirst(queue, lane, () => lane.jobs.shift());
    return;
  }
  removeLane(queue, lane);
  queue.byShape.delete(job.shape);
  if (queue.lanes.length === 0) state.waiting.delete(job.consumer);
}

/** Lanes stand by their first jobs. */
function changeFirst(queue: ConsumerQueue, lane: Lane, change: () => unknown): void {
  const isAlone = queue.lanes.length === 1;
  if (!isAlone) removeLane(queue, lane);
  change();
  if (!isAlone) insertLane(queue, lane);
}

function insertLane({ lanes }: ConsumerQueue, lane: Lane): void {
  lanes.splice(positionOfLane(lanes, lane), 0, lane);
}

function removeLane({ lanes }: ConsumerQueue, lane: Lane): void {
  lanes.splice(positionOfLane(lanes, lane), 1);
}

function positionOfLane(lanes: readonly Lane[], { jobs: [first] }: Lane): number {
  return firstPosition(lanes, ({ jobs: [other] }) => {
    return first === undefined || other === undefined || !hasTurnBefore(other, first);
  });
}
