import type { ReadOnly } from '@capacloud/core/read-only';
import { isActive, isTerminal } from '@capacloud/core/slices/attempt/task-states';
import type { State } from '@capacloud/core/state';
import { type AccountId, jobIdOf, type NodeId, type TaskId } from '@capacloud/protocol/ids';
import type { AttemptRef } from '@capacloud/protocol/wire/frames';
import type { HeldAttempt, HeldStage, HeldUpload, NodeAttempt } from '../ports/questions.ts';

/** An attempt that was stopped, or whose task is gone, has ended: its node has only not let go of it yet. */
function stageOf({ tasks }: ReadOnly<State>, { attempt, task: id }: AttemptRef): HeldStage {
  const task = tasks.get(id);
  if (task?.attempt !== attempt || !isActive(task.state)) return 'ended';
  return task.state === 'uploading' || task.state === 'verifying' ? task.state : 'early';
}

function isHeld({ nodes }: ReadOnly<State>, { attempt, node, task }: NodeAttempt): boolean {
  return nodes.get(node)?.occupied.get(task)?.attempt === attempt;
}

export function heldBy(state: ReadOnly<State>, node: NodeId): readonly HeldAttempt[] {
  const occupied = state.nodes.get(node)?.occupied.values() ?? [];
  return Array.from(occupied, ({ attempt, task }) => {
    const job = state.jobs.get(jobIdOf(task));
    return {
      task,
      attempt,
      stage: stageOf(state, { task, attempt }),
      consumer: job?.consumer,
      diskBytes: job?.terms.resources.diskBytes,
    };
  });
}

export function stagesOf(
  state: ReadOnly<State>,
  attempts: readonly NodeAttempt[],
): readonly (HeldStage | undefined)[] {
  return attempts.map((attempt) => (isHeld(state, attempt) ? stageOf(state, attempt) : undefined));
}

export function consumerOfHeld(state: ReadOnly<State>, attempt: NodeAttempt): AccountId | undefined {
  return isHeld(state, attempt) ? state.jobs.get(jobIdOf(attempt.task))?.consumer : undefined;
}

export function heldUploads({ held, jobs }: ReadOnly<State>): readonly HeldUpload[] {
  const uploads: HeldUpload[] = [];
  for (const task of held) {
    const consumer = jobs.get(task.job)?.consumer;
    if (task.held === undefined || consumer === undefined) continue;
    const { cause, sizeBytes } = task.held;
    uploads.push({ task: task.id, attempt: task.attempt, consumer, cause, sizeBytes });
  }
  return uploads;
}

export function liveAmong({ tasks }: ReadOnly<State>, ids: readonly TaskId[]): readonly TaskId[] {
  return ids.filter((id) => {
    const task = tasks.get(id);
    return task !== undefined && !isTerminal(task.state);
  });
}

export function uploadingFor({ nodes, tasks }: ReadOnly<State>, provider: AccountId): readonly NodeAttempt[] {
  const uploading: NodeAttempt[] = [];
  for (const node of nodes.values())
    for (const { attempt, task } of node.provider === provider ? node.occupied.values() : [])
      if (tasks.get(task)?.state === 'uploading') uploading.push({ task, attempt, node: node.id });
  return uploading;
}
