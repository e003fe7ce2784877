import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import { taskReasons } from '@capacloud/protocol/catalogue/reasons';
import type { AfterAttempt } from '../../contract/event.ts';
import { hash32 } from '../../hash32.ts';
import type { ReadOnly } from '../../read-only.ts';
import { isRefusedByMany } from '../job/misfits.ts';
import type { Job } from '../job/record.ts';
import type { Task } from './record.ts';

/** Attempt numbers end here, as they do on the wire: whatever the budgets say, a task cannot loop for ever. */
export const maxAttempts = 10_000;

/**
 * What follows an attempt that did not succeed. Two budgets: the job's own errors, and those of providers (and of
 * ourselves). A stop that nobody asked for costs neither.
 */
export function afterFailure(
  job: ReadOnly<Job>,
  task: ReadOnly<Task>,
  reason: TaskReason,
  exitCode: number | undefined,
  at: number,
): AfterAttempt {
  if (task.attempt >= maxAttempts) return { kind: 'failed' };
  // What was computed had no room: another run would have none either.
  // guard: no second run for want of room
  if (reason === 'store_full' || reason === 'quota_full') return { kind: 'failed' };
  if (isRefusedByMany(job.terms, reason, task.provider)) return { kind: 'failed' };
  switch (taskReasons[reason].fault) {
    case 'consumer': {
      const failures = failuresOf(job, task, ({ ownErrors }) => ownErrors) + 1;
      // guard: budget of own errors
      if (failures >= job.terms.maxAttempts || !coversOwnError(job, reason, exitCode))
        return { kind: 'failed' };
      return { budget: 'own', kind: 'requeued', notBefore: at + backoffMs(job, task, failures) };
    }
    case 'provider':
    case 'platform': {
      const failures = failuresOf(job, task, ({ providerLosses }) => providerLosses) + 1;
      // guard: budget of lost providers
      if (failures > job.terms.providerLost) return { kind: 'failed' };
      return { budget: 'provider', kind: 'requeued', notBefore: at + backoffMs(job, task, failures) };
    }
    case 'none':
      return {
        budget: 'free',
        kind: 'requeued',
        notBefore: at + backoffMs(job, task, task.freeRequeues + 1),
      };
  }
}

/** A gang fails as a whole, so its budgets are those of all its tasks together. */
function failuresOf(job: ReadOnly<Job>, task: ReadOnly<Task>, of: (task: ReadOnly<Task>) => number): number {
  // guard: judge a gang by all its failures
  if (job.terms.gang !== true) return of(task);
  return job.tasks.reduce((sum, each) => sum + of(each), 0);
}

function coversOwnError(job: ReadOnly<Job>, reason: TaskReason, exitCode: number | undefined): boolean {
  const { retryOn } = taskReasons[reason];
  // guard: retry what the job covers
  if (retryOn === undefined || !job.terms.retryOn.includes(retryOn)) return false;
  const codes = job.terms.retryExitCodes;
  if (reason !== 'exit_nonzero' || codes.length === 0) return true;
  return exitCode !== undefined && codes.includes(exitCode);
}

/**
 * Doubles from the initial to the greatest delay; the upper half is spread, so that a broken batch does not return as
 * one. The log records the delay, so nobody has to recompute it.
 */
function backoffMs(job: ReadOnly<Job>, task: ReadOnly<Task>, failures: number): number {
  const { backoffInitialMs, backoffMaxMs } = job.terms;
  const fullMs = Math.min(backoffMaxMs, backoffInitialMs * 2 ** Math.min(failures - 1, 30));
  const halfMs = Math.floor(fullMs / 2);
  // guard: pause before a retry
  return fullMs - halfMs + (hash32(`${task.id}#${task.attempt}`) % (halfMs + 1));
}
