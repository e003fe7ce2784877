import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import { mustGet } from '../../assert.ts';
import type { HoldCause } from '../../contract/event.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import type { Job } from '../job/record.ts';
import type { HeldUpload } from './occupancy.ts';
import type { Task } from './record.ts';

/**
 * Outputs that the artifact store has no room for. That is not the node's fault: the attempt stays in `uploading`, and
 * nothing is run again. Its clock stands still by the coordinator's own refusal alone, for `uploadHoldMs` at most.
 */
export const holdReasons = { account: 'quota_full', store: 'store_full' } as const satisfies Record<
  HoldCause,
  TaskReason
>;

/** Why nothing new of the job is placed: outputs of its consumer, or everybody's, have no room now. */
export function storageObstacle(
  state: Pick<ReadOnly<State>, 'accounts' | 'fullHolds' | 'held'>,
  { consumer, terms }: Pick<ReadOnly<Job>, 'consumer' | 'terms'>,
): (typeof holdReasons)[HoldCause] | undefined {
  if (state.held.size === 0) return undefined;
  const { account, store } = mustGet(state.accounts, consumer, 'account').heldUploads;
  if (account > 0) return holdReasons.account;
  return store > 0 || (state.fullHolds > 0 && terms.outputs === true) ? holdReasons.store : undefined;
}

/** Counts a task that has just become held. */
export function countHold(state: State, job: Job, task: Task, held: HeldUpload): void {
  task.held = held;
  state.held.add(task);
  mustGet(state.accounts, job.consumer, 'account').heldUploads[held.cause] += 1;
  if (held.full === true) state.fullHolds += 1;
}

/** There is room again, or the attempt has ended. What waited for that may be placed. */
export function endHold(state: State, job: Job, task: Task): void {
  const { held } = task;
  if (held === undefined) return;
  task.held = undefined;
  state.held.delete(task);
  mustGet(state.accounts, job.consumer, 'account').heldUploads[held.cause] -= 1;
  if (held.full === true) state.fullHolds -= 1;
  state.feed.arrivals += 1;
}
