import type { AttemptEnded, JobTerms } from './entry.ts';
import { check } from './observation.ts';

/** Whose fault each reason is, from the contract of reasons; what is not here ends no attempt. */
const faults: Readonly<Record<string, 'nobody' | 'consumer' | 'provider'>> = {
  completed: 'nobody',
  stopped: 'nobody',
  preempted: 'nobody',
  image_wrong_platform: 'nobody',
  registry_not_allowed: 'nobody',
  image_too_large: 'nobody',
  exit_nonzero: 'consumer',
  oom_killed: 'consumer',
  pids_exhausted: 'consumer',
  disk_full: 'consumer',
  run_timeout: 'consumer',
  output_missing: 'consumer',
  output_too_large: 'consumer',
  output_invalid: 'consumer',
  image_not_found: 'consumer',
  image_invalid: 'consumer',
  start_failed: 'consumer',
  registry_failed: 'provider',
  image_refused: 'provider',
  image_pull_failed: 'provider',
  pull_timeout: 'provider',
  input_unavailable: 'provider',
  store_full: 'nobody',
  quota_full: 'nobody',
  start_timeout: 'provider',
  upload_failed: 'provider',
  engine_lost: 'provider',
  lease_lapsed: 'provider',
  refused: 'provider',
  agent_failed: 'provider',
  node_lost: 'provider',
  assignment_timeout: 'provider',
  upload_timeout: 'provider',
};
/** These cost the budget for providers, and no node's name. */
export const blameless: readonly string[] = ['input_unavailable', 'registry_failed', 'image_refused'];
/** Whose fault the reason is; undefined where it ends no attempt. */
export function faultOf(reason: string): 'nobody' | 'consumer' | 'provider' | undefined {
  return faults[reason];
}

const names: Readonly<Record<string, string>> = { run_timeout: 'timeout', oom_killed: 'oom' };
const neverRetried = ['image_not_found'];
/** What was computed had no room, and nothing is run again for it. */
const final = ['store_full', 'quota_full'];
const mostAttempts = 10_000;

/** Attempts so far that ended so and were tried again; failures of a gang are those of all its tasks together. */
export interface Tries {
  readonly failures: { own: number; provider: number };
  free: number;
}

/** What must follow an attempt that failed: `own`, `provider` or `free` when it is tried again, and `none` when that was all. */
function dueRetry(
  terms: JobTerms,
  tries: Tries,
  event: AttemptEnded,
  isRefusedByMany: boolean,
): 'own' | 'provider' | 'free' | 'none' {
  if (event.attempt >= mostAttempts || final.includes(event.reason)) return 'none';
  if (isRefusedByMany) return 'none';
  const fault = faults[event.reason];
  if (fault === 'provider') return tries.failures.provider < terms.providerLost ? 'provider' : 'none';
  if (fault !== 'consumer') return 'free';
  if (tries.failures.own + 1 >= terms.maxAttempts || neverRetried.includes(event.reason)) return 'none';
  if (!terms.retryOn.includes(names[event.reason] ?? 'error')) return 'none';
  const codes = terms.retryExitCodes;
  const isCovered =
    event.reason !== 'exit_nonzero' || codes.length === 0 || codes.includes(event.exitCode ?? -1);
  return isCovered ? 'own' : 'none';
}

/** The task was tried again when its budgets allow it and only then, after a pause between half and all of what is due. */
export function checkRetry(
  terms: JobTerms,
  tries: Tries,
  event: AttemptEnded,
  isRefusedByMany: boolean,
): void {
  const { then } = event;
  const what = `${event.task}/${event.attempt} ended as ${event.reason}`;
  check(Object.hasOwn(faults, event.reason), 'task.retry', () => `${what}, which ends no attempt`);
  if (then.kind === 'succeeded') return;
  const due = dueRetry(terms, tries, event, isRefusedByMany);
  const done = then.kind === 'requeued' ? then.budget : 'none';
  check(done === due, 'task.retry', () => `${what} and costs ${done}; due is ${due}`);
  if (then.kind !== 'requeued' || due === 'none') return;
  const count = due === 'free' ? (tries.free += 1) : (tries.failures[due] += 1);
  const full = Math.min(terms.backoffMaxMs, terms.backoffInitialMs * 2 ** Math.min(30, count - 1));
  const pauseMs = then.notBefore - event.at;
  check(
    pauseMs >= Math.ceil(full / 2) - 1 && pauseMs <= full,
    'task.retry',
    () => `${what} and pauses ${pauseMs} of ${full} ms`,
  );
}

/** A task of a gang was stopped because of another one, just now: it goes on as that one does, at nobody's cost. */
export function checkGangStop(
  terms: JobTerms,
  tries: Tries,
  event: AttemptEnded,
  cause: AttemptEnded | undefined,
): void {
  const what = `${event.task}/${event.attempt} is stopped with its gang`;
  check(terms.gang === true && cause?.at === event.at, 'task.gang', () => `${what}, of which none failed`);
  const due = cause?.then.kind === 'requeued' ? `requeued free ${cause.then.notBefore}` : 'failed';
  const { then } = event;
  const done = then.kind === 'requeued' ? `requeued ${then.budget} ${then.notBefore}` : then.kind;
  check(done === due, 'task.gang', () => `${what} and is ${done}; due is ${due}`);
  if (then.kind === 'requeued') tries.free += 1;
}
