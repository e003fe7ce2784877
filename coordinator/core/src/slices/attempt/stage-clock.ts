import { unreachable } from '../../assert.ts';
import type { Ruleset } from '../../contract/ruleset.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import type { Job } from '../job/record.ts';
import type { Task } from './record.ts';

/** When the present stage of the task's attempt must have ended; undefined where no clock runs. */
export function stageDeadline(
  ruleset: Ruleset,
  job: ReadOnly<Job>,
  task: Pick<ReadOnly<Task>, 'held' | 'heldAt' | 'state' | 'stageSince'>,
): number | undefined {
  switch (task.state) {
    case 'assigned':
      return task.stageSince + ruleset.assignTimeoutMs;
    case 'pulling':
      return task.stageSince + ruleset.pullTimeoutMs;
    case 'starting':
      return task.stageSince + ruleset.startTimeoutMs;
    case 'running':
      return task.stageSince + job.terms.runTimeoutMs + job.terms.stopGraceMs + ruleset.runMarginMs;
    case 'uploading':
      // Counted from the first refusal: however often there is room for a moment, the wait as a whole is bounded.
      if (task.held === undefined) return task.stageSince + ruleset.uploadTimeoutMs;
      // guard: no wait for ever for want of room
      return task.heldAt + (ruleset.uploadHoldMs ?? 0);
    case 'queued':
    case 'verifying':
    case 'succeeded':
    case 'failed':
    case 'cancelled':
    case 'expired':
      return undefined;
    default:
      return unreachable(task.state);
  }
}

/** The clock of the stage that the task has just entered. */
export function setStageClock(state: State, job: Job, task: Task): void {
  state.stageClocks.remove(task);
  const deadline = stageDeadline(state.ruleset, job, task);
  if (deadline !== undefined) state.stageClocks.add(task, deadline);
}
