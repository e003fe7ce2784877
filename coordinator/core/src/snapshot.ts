import type { Sha256Hex } from '@capacloud/protocol/ids';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import { invariant, mustGet } from './assert.ts';
import { withoutDoubles } from './contract/doubled.ts';
import { newAccount } from './slices/account/commands.ts';
import { setStageClock } from './slices/attempt/stage-clock.ts';
import { isActive } from './slices/attempt/task-states.ts';
import { countHold } from './slices/attempt/upload-hold.ts';
import { firstDeadline, newJob } from './slices/job/events.ts';
import { stopJobs } from './slices/job/poison.ts';
import { addReady, hasQueueClock, isReady } from './slices/job/queue.ts';
import { recount, restore } from './slices/node/capacity.ts';
import { changeOffer, newNode } from './slices/node/record.ts';
import { review } from './slices/node/standing.ts';
import { type JobText, type NodeText, type Snapshot } from './snapshot-text.ts';
import type { Job, State, Task } from './state.ts';
import { createState } from './state.ts';
import { StateCapture } from './state-capture.ts';

/**
 * The canonical text of everything that the log means: equal logs give equal texts. Lists stand in the order of
 * the log (joined, opened, submitted), because decisions follow it.
 */
export function encodeState(state: State): string {
  let text = '';
  for (const piece of new StateCapture(state).pieces(Number.POSITIVE_INFINITY)) text += piece;
  return text;
}

export function stateHash(state: State): Sha256Hex {
  return sha256Hex(encodeState(state));
}

/** Of a text that encodeState wrote; throws for any other. */
export function decodeState(text: string): State {
  return restoreState(JSON.parse(text) as Snapshot);
}

/**
 * Of the lines of a text that was captured with `recordPerLine`, or of one line as older releases wrote it; throws for any
 * other. As no line holds more than one record, the whole text may be longer than the longest string of the engine.
 */
export function decodeStateLines(lines: Iterable<string>): State {
  return restoreState(parseLines(lines));
}

const firstLine = '{"accounts":[';

/** Besides the records there are four lines: they open the first list, close one and open the next, and close the last. */
function parseLines(lines: Iterable<string>): Snapshot {
  const snapshot: Record<string, unknown> = { accounts: [] };
  let list: unknown[] | undefined;
  let isComplete = false;
  for (const line of lines) {
    if (line === '') continue;
    invariant(!isComplete, 'a snapshot goes on after its end');
    if (list === undefined) {
      if (line !== firstLine) return JSON.parse(line) as Snapshot;
      snapshot.accounts = list = [];
    } else if (!line.startsWith('],')) {
      list.push(JSON.parse(line.endsWith(',') ? line.slice(0, -1) : line));
    } else if (line.endsWith('[')) {
      Object.assign(snapshot, JSON.parse(`{${line.slice(2)}]}`));
      list = (snapshot.nodes ?? snapshot.jobs) as unknown[];
    } else {
      Object.assign(snapshot, JSON.parse(`{${line.slice(2)}`));
      isComplete = true;
    }
  }
  invariant(isComplete, 'a snapshot without its last line');
  return snapshot as unknown as Snapshot;
}

function restoreState(snapshot: Snapshot): State {
  invariant(snapshot.version === 1, 'a snapshot of another version');
  const state = createState();
  state.origin = snapshot.origin;
  state.ruleset = snapshot.ruleset;
  state.jobSeq = snapshot.jobSeq;
  for (const { availableNano, credits, id, stopsOwed = 0 } of snapshot.accounts) {
    const account = newAccount(id);
    account.stopsOwed = stopsOwed;
    account.availableNano = BigInt(availableNano);
    for (const [ref, amountNano] of credits) account.credits.set(ref, BigInt(amountNano));
    state.accounts.set(id, account);
  }
  for (const name of ['custody', 'emission', 'fees', 'holds', 'penalties'] as const) {
    state.house[name] = BigInt(snapshot.house[name]);
  }
  for (const [image, nodes] of snapshot.imageLosses ?? []) state.losses.set(image, nodes);
  for (const [image, record] of snapshot.images ?? []) state.images.set(image, record);
  for (const [subject, isolation] of snapshot.isolated ?? []) state.isolated.set(subject, isolation);
  for (const job of snapshot.jobs) decodeJob(state, job);
  stopJobs(state);
  for (const node of snapshot.nodes) decodeNode(state, node);
  return state;
}

function decodeJob(state: State, text: JobText): void {
  const terms = {
    ...text.terms,
    holdNano: BigInt(text.terms.holdNano),
    maxRateNano: BigInt(text.terms.maxRateNano),
  };
  const job = newJob(text.id, text.consumer, terms, text.submittedAt, text.seq);
  job.cancelled = text.cancelled;
  job.isIsolated = state.isolated.has(job.id);
  for (const { rateNano, ...fields } of text.tasks) {
    const task = job.tasks[fields.index];
    invariant(task !== undefined, `${job.id} has no task ${fields.index}`);
    // A property that is undefined is not in the text: a task without a node keeps none.
    Object.assign(task, fields, { rateNano: BigInt(rateNano) });
  }
  state.jobs.set(job.id, job);
  state.feed.submitted.push(job);
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

function decodeNode(state: State, text: NodeText): void {
  const { occupied, id, offer, proven, standing, ...fields } = text;
  const node = Object.assign(newNode(id, fields.provider, fields.statusSince), fields);
  node.isIsolated = state.isolated.has(id);
  // guard: remember failures over a restart
  Object.assign(node.standing, standing);
  node.isProven = proven === true;
  if (!node.isProven) state.unproven.add(node);
  changeOffer(state, node, withoutDoubles(offer));
  state.nodes.set(id, node);
  for (const [task, job, attempt, devices, alternative = 0, isHeld] of occupied) {
    const occupancy = { task, job, attempt, devices, alternative };
    restore(
      state,
      node,
      mustGet(state.jobs, job, 'job'),
      isHeld === true ? { ...occupancy, isHeld } : occupancy,
    );
  }
  recount(state, node);
  // What of it is over only the next command or event can tell.
  review(state, node, 0);
}
