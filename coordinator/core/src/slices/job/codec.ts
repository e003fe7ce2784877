import { invariant, mustGet } from '../../assert.ts';
import { amount, type Fields, type JsonRecord, type Kind, pairs, plain } from '../../codec/kinds.ts';
import { RecordCodec } from '../../codec/record-codec.ts';
import type { State } from '../../state.ts';
import { taskCodec } from '../attempt/codec.ts';
import type { Task } from '../attempt/record.ts';
import { setStageClock } from '../attempt/stage-clock.ts';
import { isActive } from '../attempt/task-states.ts';
import { countHold } from '../attempt/upload-hold.ts';
import { firstDeadline, newJob } from './events.ts';
import { stopJobs } from './poison.ts';
import { addReady, hasQueueClock, isReady } from './queue.ts';
import type { Job, JobTruth } from './record.ts';

/** Canonical JSON writes amounts as decimal text. */
const terms: Kind<JobTruth['terms']> = {
  // guard: remember over a restart what the image is not made for
  text: (known) => known,
  value: (text) => {
    const { holdNano, maxRateNano, ...rest } = text as JobTruth['terms'];
    return { ...rest, holdNano: amount.value(holdNano), maxRateNano: amount.value(maxRateNano) };
  },
};

export const jobCodec = new RecordCodec<JobTruth>({
  id: plain(),
  consumer: plain(),
  terms,
  submittedAt: plain(),
  seq: plain(),
  cancelled: plain(),
});

/** The key of its tasks. */
export const tasksKey = 'tasks';

export const jobFields: Fields<Pick<State, 'images' | 'jobSeq' | 'losses'>> = {
  images: pairs(),
  jobSeq: plain(),
  losses: { ...pairs(), key: 'imageLosses' },
};

/** The accounts are there already. */
export function restoreJobs(state: State, texts: readonly JsonRecord[]): void {
  for (const text of texts) restoreJob(state, text);
  stopJobs(state);
}

function restoreJob(state: State, text: JsonRecord): void {
  const truth = jobCodec.read(text);
  const job = newJob(truth.id, truth.consumer, truth.terms, truth.submittedAt, truth.seq);
  job.cancelled = truth.cancelled;
  job.isIsolated = state.isolated.has(job.id);
  for (const taskText of text[tasksKey] as readonly JsonRecord[]) {
    const { index } = taskText as unknown as Pick<Task, 'index'>;
    const task = job.tasks[index];
    invariant(task !== undefined, `${job.id} has no task ${index}`);
    taskCodec.readInto(task, taskText);
  }
  state.jobs.set(job.id, job);
  state.feed.submitted.push({ resources: job.terms.resources, tasks: job.live });
  indexJob(state, job);
}

/** Counts, queue and clocks follow from the tasks. */
function indexJob(state: State, job: Job): void {
  let ready = 0;
  let firstReady = job.tasks.length;
  job.live = 0;
  job.untried = 0;
  for (const task of job.tasks) {
    state.tasks.set(task.id, task);
    if (task.interruptible) state.interruptible.add(task);
    if (task.held !== undefined) countHold(state, job, task, task.held);
    countTask(job, task);
    if (isActive(task.state)) setStageClock(state, job, task);
    // Whether its backoff is over only the next command or event can tell.
    else if (task.state === 'queued' && task.notBefore > 0) state.backoffs.add(task, task.notBefore);
    if (isReady(task)) {
      ready += 1;
      firstReady = Math.min(firstReady, task.index);
    }
  }
  addReady(state, job, firstReady, ready);
  if (job.untried > 0) state.queueClocks.add(job, firstDeadline(job));
  state.openHoldsNano += job.terms.holdNano * BigInt(job.live);
  mustGet(state.accounts, job.consumer, 'account').liveTasks += job.live;
}

function countTask(job: Job, task: Task): void {
  switch (task.state) {
    case 'succeeded':
      job.succeeded += 1;
      return;
    case 'failed':
      job.failed += 1;
      return;
    case 'cancelled':
      job.cancelledTasks += 1;
      return;
    case 'expired':
      job.expired += 1;
      return;
    case 'queued':
    case 'assigned':
    case 'pulling':
    case 'starting':
    case 'running':
    case 'uploading':
    case 'verifying':
      job.live += 1;
      if (task.state === 'queued' && hasQueueClock(job, task)) job.untried += 1;
      return;
  }
}
