import type { JobView, TaskView } from '@capacloud/protocol/routes/views';
import { ApiError } from '../api-error.ts';
import type { Client } from '../client.ts';
import { CommandError, Interrupted, OutputLost } from './command-error.ts';

/** Exit statuses are a contract; `run` and `wait` end with the job's own beside these. */
export const exitStatus = {
  ok: 0,
  usage: 2,
  /** Of plan: no node of the network would run the job. A balance that is too small is no matter of nodes, and is 0. */
  unplaceable: 3,
  auth: 4,
  platform: 125,
  interrupted: 130,
  terminated: 143,
} as const;

/** Refusals of what the user wrote, as opposed to what the platform could not do. */
const inputCodes: ReadonlySet<string> = new Set([
  'job.invalid',
  'job.unsupported',
  'job.too_many_tasks',
  'request.invalid',
  'request.malformed',
  'config.invalid',
]);

export function exitStatusOfError(error: unknown): number {
  if (error instanceof Interrupted || error instanceof CommandError || error instanceof OutputLost)
    return error.exitStatus;
  if (!(error instanceof ApiError)) return exitStatus.platform;
  if (error.code.startsWith('auth.')) return exitStatus.auth;
  return inputCodes.has(error.code) ? exitStatus.usage : exitStatus.platform;
}

/**
 * 0 when every task succeeded, else the exit code of the first task (by index) that failed. A failure without
 * an exit code, and a job that was cancelled or expired, is 125; an exit code of 0 that was no success is 1.
 */
export async function jobExitStatus(client: Client, job: JobView, signal: AbortSignal): Promise<number> {
  if (job.state === 'succeeded') return exitStatus.ok;
  const failed = await failedTasks(client, job, 1, signal);
  const exitCode = failed[0]?.exit_code;
  if (exitCode === undefined) return exitStatus.platform;
  return exitCode === 0 ? 1 : exitCode;
}

/** The first tasks that failed, by index. */
export async function failedTasks(
  client: Client,
  job: JobView,
  limit: number,
  signal: AbortSignal,
): Promise<readonly TaskView[]> {
  if (job.tasks.failed === 0) return [];
  const page = await client.call('listTasks', {
    params: { job: job.id },
    query: { state: 'failed', limit },
    signal,
  });
  return page.items;
}
