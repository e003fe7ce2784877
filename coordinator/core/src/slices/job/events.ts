import { needOf } from '@capacloud/protocol/capacity/capacity';
import { taskIdOf } from '@capacloud/protocol/ids';
import { broken, mustGet } from '../../assert.ts';
import type { JobCancelled, JobSettled, JobSubmitted, TaskEnded } from '../../contract/event.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import { spendHold } from '../account/ledger.ts';
import { repayStop } from '../account/stops-owed.ts';
import type { Task } from '../attempt/record.ts';
import { canMove, isTerminal } from '../attempt/task-states.ts';
import { endHold } from '../attempt/upload-hold.ts';
import { addReady, hasQueueClock, leaveQueue, shapeOf } from './queue.ts';
import type { Job } from './record.ts';

export function newTask(job: Job['id'], index: number, at: number): Task {
  return {
    id: taskIdOf(job, index),
    job,
    index,
    state: 'queued',
    reason: 'submitted',
    attempt: 0,
    node: undefined,
    provider: undefined,
    devices: noDevices,
    alternative: 0,
    rateNano: 0n,
    interruptible: false,
    assignedAt: 0,
    runningSince: 0,
    stageSince: at,
    heldAt: 0,
    holds: 0,
    held: undefined,
    notBefore: 0,
    ownErrors: 0,
    providerLosses: 0,
    freeRequeues: 0,
    avoid: noNodes,
    hold: 'held',
    dueAt: 0,
    bucket: undefined,
    clockPrev: undefined,
    clockNext: undefined,
  };
}
export const noDevices: Task['devices'] = [];
const noNodes: Task['avoid'] = [];

/**
 * A point of priority is worth so much waiting: all jobs age alike, so their order is settled when they are submitted,
 * and no job of low priority waits for ever.
 */
const agingMs = 60_000;

/** A job with all its tasks queued and untried; in no index yet. */
export function newJob(
  id: Job['id'],
  consumer: Job['consumer'],
  terms: Job['terms'],
  at: number,
  seq: number,
): Job {
  const tasks: Task[] = [];
  for (let index = 0; index < terms.tasks; index++) tasks.push(newTask(id, index, at));
  return {
    id,
    consumer,
    terms,
    submittedAt: at,
    seq,
    tasks,
    cancelled: false,
    live: terms.tasks,
    succeeded: 0,
    failed: 0,
    cancelledTasks: 0,
    expired: 0,
    untried: terms.tasks,
    occupied: 0,
    ready: 0,
    firstReady: terms.tasks,
    need: needOf(terms.resources),
    shape: shapeOf(terms),
    turn: at - (terms.priority ?? 0) * agingMs,
    isStopped: false,
    isIsolated: false,
    owners: new Map(),
    dueAt: 0,
    bucket: undefined,
    clockPrev: undefined,
    clockNext: undefined,
  };
}

/** From when tasks of the job that were never tried are expired. */
export function queueDeadline(job: ReadOnly<Job>): number {
  return job.submittedAt + job.terms.queueTimeoutMs;
}

/** From when the waiting task is expired. Of one that was tried the time begins anew with what is learnt of its image. */
export function waitDeadline(job: ReadOnly<Job>, { attempt, stageSince }: ReadOnly<Task>): number {
  if (attempt === 0) return queueDeadline(job);
  const { misfits, queueTimeoutMs } = job.terms;
  if (misfits === undefined) return Number.POSITIVE_INFINITY;
  return misfits.reduce((since, { at }) => Math.max(since, at), stageSince) + queueTimeoutMs;
}

/** When the first of the waiting tasks is expired. */
export function firstDeadline(job: Job): number {
  let first = Number.POSITIVE_INFINITY;
  for (const task of job.tasks) if (task.state === 'queued') first = Math.min(first, waitDeadline(job, task));
  return first;
}

/** The queue timeout of the waiting task is over: the next tick ends it. */
export function isLate(job: ReadOnly<Job>, task: ReadOnly<Task>, at: number): boolean {
  return waitDeadline(job, task) <= at;
}

/** The task waits again. Its clock may come after that of others, which the wheel has already. */
export function noteQueueClock(state: State, job: Job, task: Task): void {
  if (!hasQueueClock(job, task)) return;
  job.untried += 1;
  if (job.untried === 1) state.queueClocks.add(job, waitDeadline(job, task));
}

/** A job whose clock is due for a task that no longer waits gets the clock of the next one that does. */
export function correctQueueClocks({ queueClocks }: State, at: number): void {
  if (queueClocks.earliest() > at) return;
  for (const job of queueClocks.due(at, Number.POSITIVE_INFINITY)) {
    const first = firstDeadline(job);
    if (first <= at) continue;
    queueClocks.remove(job);
    queueClocks.add(job, first);
  }
}

/** Other tasks of the job may have a clock now. */
export function recountQueueClocks(state: State, job: Job): void {
  state.queueClocks.remove(job);
  job.untried = 0;
  for (const task of job.tasks) if (task.state === 'queued' && hasQueueClock(job, task)) job.untried += 1;
  if (job.untried > 0) state.queueClocks.add(job, firstDeadline(job));
}

function applySubmitted(state: State, event: JobSubmitted): void {
  if (state.jobs.has(event.job)) broken(`${event.job} is submitted twice`);
  const { at, consumer, holdNano, job: id, maxRateNano, type: _type, ...terms } = event;
  state.jobSeq += 1;
  const job = newJob(
    id,
    consumer,
    { ...terms, holdNano: BigInt(holdNano), maxRateNano: BigInt(maxRateNano) },
    at,
    state.jobSeq,
  );
  state.jobs.set(id, job);
  for (const task of job.tasks) state.tasks.set(task.id, task);
  mustGet(state.accounts, consumer, 'account').liveTasks += job.live;
  state.openHoldsNano += job.terms.holdNano * BigInt(job.live);
  state.queueClocks.add(job, queueDeadline(job));
  addReady(state, job, 0, job.live);
  state.feed.submitted.push({ resources: job.terms.resources, tasks: job.live });
}

/** Its attempt is over. */
export function endInterruptible(state: State, task: Task): void {
  if (!task.interruptible) return;
  task.interruptible = false;
  state.interruptible.delete(task);
}

/** A task has reached an end; money and counts follow. The caller has taken it out of the indexes. */
export function endTask(
  state: State,
  job: Job,
  task: Task,
  to: 'succeeded' | 'failed' | 'cancelled' | 'expired',
  at: number,
): void {
  if (!canMove(task.state, to)) broken(`${task.id}: ${task.state} cannot become ${to}`);
  task.state = to;
  task.stageSince = at;
  task.node = undefined;
  task.devices = noDevices;
  task.alternative = 0;
  endInterruptible(state, task);
  endHold(state, job, task);
  job.live -= 1;
  const account = mustGet(state.accounts, job.consumer, 'account');
  account.liveTasks -= 1;
  switch (to) {
    case 'succeeded':
      job.succeeded += 1;
      repayStop(account);
      spendHold(state, job, task, 'captured');
      break;
    case 'failed':
      job.failed += 1;
      spendHold(state, job, task, 'voided');
      break;
    case 'cancelled':
      job.cancelledTasks += 1;
      spendHold(state, job, task, 'voided');
      break;
    case 'expired':
      job.expired += 1;
      spendHold(state, job, task, 'expired');
      break;
  }
}

function endWithoutAttempt(state: State, job: Job, task: Task, event: JobCancelled | TaskEnded): void {
  if (task.state === 'queued') leaveQueue(state, job, task);
  else state.stageClocks.remove(task);
  if (event.type === 'task.ended') {
    endTask(state, job, task, event.outcome, event.at);
    task.reason = event.reason;
  } else {
    endTask(state, job, task, 'cancelled', event.at);
    task.reason = 'cancelled';
  }
}

/** One event ends all live tasks: the log stays small, and the work is bounded by the size of a job. */
function applyCancelled(state: State, event: JobCancelled): void {
  const job = mustGet(state.jobs, event.job, 'job');
  if (job.live === 0) broken(`${job.id} is cancelled with nothing live`);
  job.cancelled = true;
  for (const task of job.tasks) {
    if (!isTerminal(task.state)) endWithoutAttempt(state, job, task, event);
  }
}

function applyTaskEnded(state: State, event: TaskEnded): void {
  const task = mustGet(state.tasks, event.task, 'task');
  endWithoutAttempt(state, mustGet(state.jobs, task.job, 'job'), task, event);
}

/** History has the job from here on. */
function applySettled(state: State, event: JobSettled): void {
  const job = mustGet(state.jobs, event.job, 'job');
  if (job.live > 0 || job.occupied > 0) broken(`${job.id} is settled before its end`);
  if (
    !(
      job.succeeded === event.succeeded &&
      job.failed === event.failed &&
      job.cancelledTasks === event.cancelled &&
      job.expired === event.expired
    )
  )
    broken(`${job.id} is settled with other counts`);
  for (const task of job.tasks) state.tasks.delete(task.id);
  state.jobs.delete(job.id);
  state.stopped.delete(job);
  state.isolated.delete(job.id);
  state.losses.delete(job.id);
}

export const jobEvents = {
  'job.submitted': applySubmitted,
  'job.cancelled': applyCancelled,
  'task.ended': applyTaskEnded,
  'job.settled': applySettled,
};
