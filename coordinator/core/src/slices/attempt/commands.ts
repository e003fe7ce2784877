import type { NodeId, TaskId } from '@capacloud/protocol/ids';
import type { Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import { mustGet } from '../../assert.ts';
import type { FinishAttempt, HoldUpload, ReportProgress, ResumeUpload } from '../../contract/command.ts';
import type { AfterAttempt, Event } from '../../contract/event.ts';
import { Decision, endedEvent } from '../../decision.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import type { Job } from '../job/record.ts';
import { priceRun } from '../node/price.ts';
import type { Task } from './record.ts';
import { afterFailure } from './retry.ts';
import { isActive, judgeStage } from './task-states.ts';
import { holdReasons } from './upload-hold.ts';

const nothing: readonly Event[] = [];

/** The task, where the report is for its current attempt and comes from the node that has it. */
function current(state: ReadOnly<State>, id: TaskId, attempt: number, node: NodeId): Result<ReadOnly<Task>> {
  const task = state.tasks.get(id);
  if (task === undefined || attempt > task.attempt || attempt < 1) {
    return refuse('attempt.unknown', `There is no attempt ${attempt} of ${id}.`);
  }
  // FENCE-1
  // guard: fence reports of earlier attempts
  if (attempt < task.attempt || !isActive(task.state)) {
    return refuse('attempt.fenced', `Attempt ${attempt} of ${id} has ended.`);
  }
  // FENCE-2
  // guard: hear only the node that has the attempt
  if (task.node !== node) return refuse('attempt.unknown', `Attempt ${attempt} of ${id} is not on ${node}.`);
  return accept(task);
}

function decideProgress(state: ReadOnly<State>, command: ReportProgress): Result<readonly Event[]> {
  const { at, attempt, node, stage } = command;
  const found = current(state, command.task, attempt, node);
  if (!found.ok) return found;
  const task = found.value;
  switch (judgeStage(task.state, stage)) {
    case 'repeat':
      return accept(nothing);
    case 'illegal':
      return refuse('attempt.transition_invalid', `${task.id} is ${task.state} and cannot become ${stage}.`);
    case 'move':
      return accept([{ at, attempt, stage, task: task.id, type: 'attempt.progressed' }]);
  }
}

/** Repeated with each refusal: only the first one, and another cause, are news, and so many of them. */
function decideHoldUpload(state: ReadOnly<State>, command: HoldUpload): Result<readonly Event[]> {
  const { at, attempt, cause, isFull, node, sizeBytes } = command;
  const found = current(state, command.task, attempt, node);
  if (!found.ok) return found;
  const { held, holds, id: task, state: stage } = found.value;
  // Its word that it uploads may be on the way; it will ask again.
  if (state.ruleset.uploadHoldMs === undefined || stage !== 'uploading') return accept(nothing);
  // Each is an event for ever, and a node could ask for one after the other.
  if (holds >= (state.ruleset.maxUploadHolds ?? Number.POSITIVE_INFINITY)) return accept(nothing);
  if (held?.cause === cause && (held.full === true) === isFull) return accept(nothing);
  const type = 'upload.held';
  return accept([
    isFull
      ? { at, attempt, cause, full: true, sizeBytes, task, type }
      : { at, attempt, cause, sizeBytes, task, type },
  ]);
}

function decideResumeUpload(state: ReadOnly<State>, command: ResumeUpload): Result<readonly Event[]> {
  const { at, attempt } = command;
  const task = state.tasks.get(command.task);
  if (task?.attempt !== attempt || task.held === undefined) return accept(nothing);
  return accept([{ at, attempt, task: task.id, type: 'upload.resumed' }]);
}

function decideFinish(state: ReadOnly<State>, command: FinishAttempt): Result<readonly Event[]> {
  const found = current(state, command.task, command.attempt, command.node);
  if (!found.ok) return decideLateFinish(state, command, found);
  const task = found.value;
  const job = mustGet(state.jobs, task.job, 'job');
  const { at, exitCode, receipt } = command;
  // An agent may give up what we have no room for: that is not its fault.
  const reason =
    command.reason === 'upload_failed' && task.held !== undefined
      ? holdReasons[task.held.cause]
      : command.reason;
  const then =
    reason === 'completed'
      ? success(state, job, task, command)
      : afterFailure(job, task, reason, exitCode, at);
  const imageRunsOn = reason === 'image_wrong_platform' ? command.imageRunsOn : undefined;
  const ending = { reason, exitCode, imageRunsOn, receipt, released: true, then };
  // The common case, without the books of a decision: other tasks are left, so the job cannot settle.
  if (job.live > 1 && job.terms.gang !== true && state.nodes.get(command.node)?.status !== 'draining') {
    return accept([endedEvent(task, ending, at)]);
  }
  const decision = new Decision(state, at);
  decision.endAttempt(job, task, ending);
  return accept(decision.close());
}

/** The node lets go of an attempt that ended without its word; anything else late changes nothing. */
function decideLateFinish(
  state: ReadOnly<State>,
  { at, attempt, node: nodeId, task }: FinishAttempt,
  refusal: Result<never>,
): Result<readonly Event[]> {
  const node = state.nodes.get(nodeId);
  const occupancy = node?.occupied.get(task);
  // guard: let go of the attempt that is held only
  if (node === undefined || occupancy === undefined || occupancy.attempt !== attempt) return refusal;
  const decision = new Decision(state, at);
  decision.releaseAttempt(mustGet(state.jobs, occupancy.job, 'job'), task, attempt, node);
  return accept(decision.close());
}

/**
 * Metered is what the node claims, bounded by the coordinator's own clock: from `running` where that was known
 * before, else from the assignment (start and end came in one batch), and by the longest run that the job allows.
 */
export function meteredMs(
  job: ReadOnly<Job>,
  task: ReadOnly<Task>,
  claimedRunMs: number,
  at: number,
): number {
  const since = task.runningSince > 0 && task.runningSince < at ? task.runningSince : task.assignedAt;
  // By the first refusal of its outputs the run was over: the wait for room is not paid.
  // guard: no pay for a wait for want of room
  const until = task.heldAt > 0 ? task.heldAt : at;
  const longestMs = job.terms.runTimeoutMs + job.terms.stopGraceMs;
  // PAY-2
  // guard: meter by our own clock as well
  // guard: meter what the node claims at most
  return Math.max(0, Math.min(claimedRunMs, until - since, longestMs));
}

function success(
  state: ReadOnly<State>,
  job: ReadOnly<Job>,
  task: ReadOnly<Task>,
  command: FinishAttempt,
): AfterAttempt {
  const runMs = meteredMs(job, task, command.claimedRunMs, command.at);
  const price = priceRun(task.rateNano, runMs, job.terms.holdNano, state.ruleset.feeBasisPoints);
  return {
    chargeNano: `${price.chargeNano}`,
    feeNano: `${price.feeNano}`,
    kind: 'succeeded',
    meteredMs: runMs,
    payNano: `${price.payNano}`,
  };
}

export const attemptCommands = {
  'attempt.progress': decideProgress,
  'attempt.finish': decideFinish,
  'attempt.hold_upload': decideHoldUpload,
  'attempt.resume_upload': decideResumeUpload,
};
