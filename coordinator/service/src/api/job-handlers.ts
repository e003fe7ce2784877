import type { JobId } from '@capacloud/protocol/ids';
import { JobFileSchema } from '@capacloud/protocol/job/job-file';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { ResponseOf } from '@capacloud/protocol/routes/routes';
import type { JobView } from '@capacloud/protocol/routes/views';
import type { JobRow, ReadStore } from '../ports/read-store.ts';
import { type KeyCaller, reaches } from './caller.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Call, Handlers } from './handler.ts';
import type { Idempotency } from './idempotency.ts';
import { followJob } from './job-events.ts';
import type { JobFeed } from './job-feed.ts';
import { type SubmissionParts, submitMany, submitOne } from './job-submission.ts';
import { pageOfRows } from './pages.ts';
import { PriceCeilings } from './price-ceilings.ts';
import { TokenBuckets } from './rate-limit.ts';
import { Bell, eventStream, lastEventId } from './server-events.ts';
import type { TaskViews } from './task-views.ts';
import { jobView } from './views.ts';

const maxAccounts = 10_000;

export interface JobParts {
  readonly deps: ApiDependencies;
  readonly idempotency: Idempotency;
  readonly feed: JobFeed;
  readonly views: TaskViews;
  readonly draining: AbortSignal;
}

export function jobHandlers(
  parts: JobParts,
): Handlers<'getJobSchema' | 'submitJob' | 'submitJobs' | 'listJobs' | 'getJob' | 'cancelJob' | 'followJob'> {
  const { deps, idempotency, feed, views, draining } = parts;
  const { store } = deps;
  const specRate = new TokenBuckets(deps.settings.rates.jobBytes, maxAccounts, deps.now);
  const reading = { deps, ceilings: new PriceCeilings(deps.questions, deps.settings), specRate };
  return {
    getJobSchema: () => accept(JobFileSchema),
    submitJob: async (call) => {
      const answer = await idempotency.once(call.idempotent, 201, (asideOf) =>
        submitOne(reading, call.caller.account, call.body, asideOf),
      );
      if (!answer.ok) return answer;
      if (answer.value.replayed) call.setHeader('idempotency-replayed', 'true');
      const view = JSON.parse(answer.value.body) as JobView;
      const waitMs = (call.query.wait ?? 0) * 1000;
      if (waitMs === 0) return accept(view);
      const row = await waitForEnd(parts, view.id, waitMs, AbortSignal.any([call.signal, draining]));
      return accept(row === undefined ? view : jobView(row));
    },
    submitJobs: (call) => submitBatch(reading, idempotency, call),
    listJobs: async ({ caller, query }) => {
      const filter = {
        ...(query.state === undefined ? {} : { state: query.state }),
        ...(query.id_prefix === undefined ? {} : { idPrefix: query.id_prefix }),
        ...(query.name === undefined ? {} : { name: query.name }),
      };
      return pageOfRows(query, (page) => store.listJobs(caller.account, filter, page), jobView);
    },
    getJob: async ({ caller, params }) => {
      const row = await findJob(store, caller, params.job);
      if (row === undefined) return noJob(params.job);
      const stored = await store.getJobSpec(params.job);
      return accept({ ...jobView(row), spec: stored === undefined ? {} : JSON.parse(stored.spec) });
    },
    cancelJob: async ({ caller, params, at }) => {
      const row = await findJob(store, caller, params.job);
      if (row === undefined) return noJob(params.job);
      // A job that is settled has left the live state, where the command would look for it.
      if (row.endedAt !== undefined) return refuse('job.terminal', `${row.id} is ${row.state}.`);
      const outcome = await deps.submitter.submit({
        type: 'job.cancel',
        at,
        job: row.id,
        consumer: row.account,
      });
      // It settled after the row was read.
      if (!outcome.ok && outcome.refusal.code === 'request.not_found')
        return refuse('job.terminal', `All tasks of ${row.id} have ended.`);
      if (!outcome.ok) return outcome;
      return accept(jobView((await store.getJob(row.id)) ?? row));
    },
    followJob: async ({ caller, params, headers }) => {
      const row = await findJob(store, caller, params.job);
      if (row === undefined) return noJob(params.job);
      const since = lastEventId(headers['last-event-id']);
      return accept(
        eventStream((signal) =>
          followJob({ deps, feed, views }, row, since, AbortSignal.any([signal, draining])),
        ),
      );
    },
  };
}

async function submitBatch(
  parts: SubmissionParts,
  idempotency: Idempotency,
  call: Call<'submitJobs'>,
): Promise<Result<ResponseOf<'submitJobs'>>> {
  const { body, caller, requestId } = call;
  const answer = await idempotency.once(call.idempotent, 200, (asideOf) =>
    submitMany(parts, caller.account, { files: body.jobs, requestId }, asideOf),
  );
  if (!answer.ok) return answer;
  if (answer.value.replayed) call.setHeader('idempotency-replayed', 'true');
  return accept(JSON.parse(answer.value.body) as ResponseOf<'submitJobs'>);
}

/** The job, when the caller may see it. */
export async function findJob(store: ReadStore, caller: KeyCaller, job: JobId): Promise<JobRow | undefined> {
  const row = await store.getJob(job);
  return row !== undefined && reaches(caller, row.account) ? row : undefined;
}

export function noJob(job: JobId): Result<never> {
  return refuse('request.not_found', `There is no job ${job} that this key may see.`);
}

async function waitForEnd(
  { deps, feed }: JobParts,
  job: JobId,
  waitMs: number,
  signal: AbortSignal,
): Promise<JobRow | undefined> {
  const bell = new Bell();
  let [live, ended] = [0, 0];
  // Watched before the row is read, so that no end falls between. One that is counted twice costs a look too many.
  const stop = feed.watch(job, (change) => {
    ended += change.ended;
    if (change.ended > 0 && ended >= live) bell.ring();
  });
  const until = deps.now() + waitMs;
  try {
    for (;;) {
      // Every end of a task is told; only the last one is worth a look into the store.
      const row = await deps.store.getJob(job);
      const leftMs = until - deps.now();
      if (row?.endedAt !== undefined || leftMs <= 0 || signal.aborted) return row;
      if (live === 0 && row !== undefined) live = row.tasks.queued + row.tasks.active;
      await bell.wait(leftMs, signal);
    }
  } finally {
    stop();
  }
}
