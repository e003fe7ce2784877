import type { ReadOnly } from '@capacloud/core/read-only';
import type { Job } from '@capacloud/core/slices/job/record';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import type { JobStateName } from '@capacloud/protocol/routes/states';
import { jobStateCodes } from './codes.ts';
import { nothing, type RowBuffers } from './row-buffer.ts';

/** What the tables hold of a job that has not settled, beyond the state. */
export interface LiveJobEntry {
  readonly num: number;
  state: JobStateName;
  active: number;
  heldNano: bigint;
  chargedNano: bigint;
  endedAt: number | undefined;
}

export function newJobEntry(num: number): LiveJobEntry {
  return { num, state: 'queued', active: 0, heldNano: 0n, chargedNano: 0n, endedAt: undefined };
}

/** State, counts in the order of the columns, end. */
function countsOf(job: ReadOnly<Job>, { active, state, endedAt }: LiveJobEntry): readonly number[] {
  return [
    jobStateCodes.codeOf(state),
    job.live - active,
    active,
    job.succeeded,
    job.failed,
    job.cancelledTasks,
    job.expired,
    endedAt ?? nothing,
  ];
}

export function endedStateOf(job: ReadOnly<Job>): JobStateName {
  if (job.succeeded === job.tasks.length) return 'succeeded';
  if (job.failed > 0) return 'failed';
  return job.expired > 0 ? 'expired' : 'cancelled';
}

export function addNewJob(
  buffers: RowBuffers,
  job: ReadOnly<Job>,
  entry: LiveJobEntry,
  consumer: number,
  settled: boolean,
): void {
  const { terms } = job;
  buffers.jobs.add(
    [entry.num, consumer, ...countsOf(job, entry), job.tasks.length, job.submittedAt, settled ? 1 : 0],
    [terms.maxRateNano, entry.heldNano, entry.chargedNano],
    [job.id, canonicalJson(terms.resources), terms.specHash],
  );
}

export function addJobChange(
  buffers: RowBuffers,
  job: ReadOnly<Job>,
  entry: LiveJobEntry,
  settled: boolean,
): void {
  buffers.jobChanges.add(
    [entry.num, ...countsOf(job, entry), settled ? 1 : 0],
    [entry.heldNano, entry.chargedNano],
  );
}
