import { requestOf } from '@capacloud/protocol/capacity/resources';
import { type TaskReason, taskReasons } from '@capacloud/protocol/catalogue/reasons';
import type { NodeId } from '@capacloud/protocol/ids';
import { broken, mustGet } from '../../assert.ts';
import type {
  AttemptAssigned,
  AttemptEnded,
  AttemptProgressed,
  AttemptReleased,
  UploadHeld,
  UploadResumed,
} from '../../contract/event.ts';
import type { Ruleset } from '../../contract/ruleset.ts';
import type { State } from '../../state.ts';
import { noteStop } from '../account/stops-owed.ts';
import { endInterruptible, endTask, noDevices, noteQueueClock } from '../job/events.ts';
import { noteMisfit } from '../job/misfits.ts';
import { noteHeld } from '../job/poison.ts';
import { addReady, leaveQueue, rejoinQueue } from '../job/queue.ts';
import type { Job } from '../job/record.ts';
import { keepDiskOnly, occupy, vacate } from '../node/capacity.ts';
import { noteProof } from '../node/forgotten.ts';
import type { NodeRecord } from '../node/record.ts';
import { noteEnding } from '../node/standing.ts';
import { isSaved, makingWayMs } from './making-way.ts';
import type { Task } from './record.ts';
import { maxAvoided } from './record.ts';
import { setStageClock } from './stage-clock.ts';
import { canMove, isActive } from './task-states.ts';
import { countHold, endHold, holdReasons } from './upload-hold.ts';

function applyAssigned(state: State, event: AttemptAssigned): void {
  const task = mustGet(state.tasks, event.task, 'task');
  const job = mustGet(state.jobs, task.job, 'job');
  const node = mustGet(state.nodes, event.node, 'node');
  if (!canMove(task.state, 'assigned')) broken(`${task.id}: ${task.state} cannot be assigned`);
  if (event.attempt !== task.attempt + 1)
    broken(`${task.id}: attempt ${event.attempt} after ${task.attempt}`);
  const { alternative = 0, attempt, devices } = event;
  if (alternative > 0 && requestOf(job.terms.resources, alternative) === undefined)
    broken(`${task.id}: its job has no alternative ${alternative}`);
  leaveQueue(state, job, task);
  // guard: occupy what the chosen alternative takes
  occupy(state, node, job, { task: task.id, job: job.id, attempt, devices, alternative });
  task.state = 'assigned';
  task.reason = 'assigned';
  task.attempt = event.attempt;
  task.node = node.id;
  task.provider = node.provider;
  task.devices = devices;
  task.alternative = alternative;
  task.rateNano = BigInt(event.rateNano);
  task.interruptible = event.interruptible === true;
  if (task.interruptible) state.interruptible.add(task);
  task.assignedAt = event.at;
  task.runningSince = 0;
  task.stageSince = event.at;
  task.heldAt = 0;
  task.holds = 0;
  task.notBefore = 0;
  setStageClock(state, job, task);
}

/** Stages between the present one and the reported one were passed unseen. */
function applyProgressed(state: State, event: AttemptProgressed): void {
  const task = currentTask(state, event);
  const job = mustGet(state.jobs, task.job, 'job');
  if (!canMove(task.state, event.stage)) broken(`${task.id}: ${task.state} cannot become ${event.stage}`);
  task.state = event.stage;
  task.reason = 'progressing';
  task.stageSince = event.at;
  if (event.stage === 'running') task.runningSince = event.at;
  if (event.stage !== 'pulling') noteImage(state, job, task.node);
  setStageClock(state, job, task);
}

function noteImage({ feed, nodes }: State, { terms }: Job, id: NodeId | undefined): void {
  const node = id === undefined ? undefined : nodes.get(id);
  if (terms.image !== undefined && node !== undefined) feed.images.push({ image: terms.image, node });
}

/** Its container is gone when its outputs are uploaded, so what it had of the node is free from the first refusal on. */
function applyHeld(state: State, event: UploadHeld): void {
  const task = currentTask(state, event);
  if (task.state !== 'uploading') broken(`${task.id}: ${task.state} holds no upload`);
  const job = mustGet(state.jobs, task.job, 'job');
  const node = task.node === undefined ? undefined : state.nodes.get(task.node);
  if (node === undefined) broken(`${task.id} has an attempt and no node`);
  const { at, attempt, cause, full, sizeBytes } = event;
  if (task.heldAt === 0) {
    task.heldAt = at;
    const devices = node.occupied.get(task.id)?.devices ?? noDevices;
    noteHeld(state, node, job, { at, attempt, devices, task });
    keepDiskOnly(state, node, job, task.id);
    endInterruptible(state, task);
  }
  if (state.ruleset.maxUploadHolds !== undefined) task.holds += 1;
  endHold(state, job, task);
  countHold(state, job, task, full === true ? { cause, full, sizeBytes } : { cause, sizeBytes });
  task.reason = holdReasons[cause];
  setStageClock(state, job, task);
}

function applyResumed(state: State, event: UploadResumed): void {
  const task = currentTask(state, event);
  if (task.held === undefined) broken(`${task.id}: its upload is not held`);
  const job = mustGet(state.jobs, task.job, 'job');
  endHold(state, job, task);
  task.reason = 'progressing';
  task.stageSince = event.at;
  setStageClock(state, job, task);
}

function applyEnded(state: State, event: AttemptEnded): void {
  const task = currentTask(state, event);
  const job = mustGet(state.jobs, task.job, 'job');
  const nodeId = task.node;
  if (nodeId === undefined) broken(`${task.id} has an attempt and no node`);
  state.stageClocks.remove(task);
  const node = mustGet(state.nodes, nodeId, 'node');
  noteEnding(state, node, job, task.assignedAt, event);
  noteProof(state, node, event);
  noteStop(state, event);
  if (event.released) letGo(state, node, job, task, event);
  noteMisfit(state, job, task.provider, node, event);
  // The stages between were passed unseen.
  if (event.then.kind === 'succeeded') noteImage(state, job, nodeId);
  task.reason = event.reason;
  switch (event.then.kind) {
    case 'succeeded':
      endTask(state, job, task, 'succeeded', event.at);
      break;
    case 'failed':
      endTask(state, job, task, 'failed', event.at);
      break;
    case 'requeued':
      requeue(state, job, task, nodeId, event);
      break;
  }
}

function requeue(state: State, job: Job, task: Task, node: NodeId, event: AttemptEnded): void {
  if (event.then.kind !== 'requeued') return;
  switch (event.then.budget) {
    case 'own':
      task.ownErrors += 1;
      break;
    case 'provider':
      task.providerLosses += 1;
      break;
    case 'free':
      task.freeRequeues += 1;
      break;
  }
  if (isBetterElsewhere(event.reason) && !task.avoid.includes(node)) {
    task.avoid = [...task.avoid, node].slice(-maxAvoided);
  }
  task.state = 'queued';
  task.node = undefined;
  task.devices = noDevices;
  task.alternative = 0;
  endInterruptible(state, task);
  endHold(state, job, task);
  task.stageSince = event.at;
  noteQueueClock(state, job, task);
  task.notBefore = Math.max(event.then.notBefore, event.at + savingMs(state.ruleset, job, event));
  rejoinQueue(state, job, task, event.at);
}

/** Whether another node may do better; the node is not to blame where only the image could not be had there. */
function isBetterElsewhere(reason: TaskReason): boolean {
  return (
    taskReasons[reason].fault === 'provider' || reason === 'registry_failed' || reason === 'image_refused'
  );
}

function applyReleased(state: State, event: AttemptReleased): void {
  const node = mustGet(state.nodes, event.node, 'node');
  const task = mustGet(state.tasks, event.task, 'task');
  if (task.attempt === event.attempt && isActive(task.state))
    broken(`${task.id}: the current attempt is released before it ended`);
  const job = mustGet(state.jobs, task.job, 'job');
  letGo(state, node, job, task, event);
  // What was to be saved is, or never will be.
  const isAwaited = task.attempt === event.attempt && task.reason === 'preempted' && isSaved(job.terms);
  if (isAwaited && task.state === 'queued' && task.bucket !== undefined) {
    state.backoffs.remove(task);
    task.notBefore = event.at;
    addReady(state, job, task.index, 1);
  }
}

/** How long a task that makes way is not placed again, because its checkpoint is on its way. */
function savingMs(ruleset: Ruleset, job: Job, { reason, released }: AttemptEnded): number {
  // guard: wait for what is saved
  if (!isSaved(job.terms) || reason !== 'preempted' || released) return 0;
  return makingWayMs(ruleset, job.terms);
}

function letGo(
  state: State,
  node: NodeRecord,
  job: Job,
  task: Task,
  { at, attempt }: AttemptEnded | AttemptReleased,
): void {
  const devices = node.occupied.get(task.id)?.devices ?? noDevices;
  noteHeld(state, node, job, { at, attempt, devices, task });
  vacate(state, node, job, attempt, task.id);
}

function currentTask(
  state: State,
  event: AttemptProgressed | AttemptEnded | UploadHeld | UploadResumed,
): Task {
  const task = mustGet(state.tasks, event.task, 'task');
  if (task.attempt !== event.attempt || !isActive(task.state))
    broken(`${task.id}: attempt ${event.attempt} is not current`);
  return task;
}

export const attemptEvents = {
  'attempt.assigned': applyAssigned,
  'attempt.progressed': applyProgressed,
  'upload.held': applyHeld,
  'upload.resumed': applyResumed,
  'attempt.ended': applyEnded,
  'attempt.released': applyReleased,
};
