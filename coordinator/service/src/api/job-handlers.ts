import type { JobTerms } from '@capacloud/core/command';
import { encodeHex } from '@capacloud/protocol/bytes';
import { type AccountId, type JobId, jobIdFrom } from '@capacloud/protocol/ids';
import { JobFileSchema } from '@capacloud/protocol/job-file';
import { type JobSpec, parseJobFile } from '@capacloud/protocol/job-spec';
import { accept, type Problem, type Result, refuse } from '@capacloud/protocol/result';
import type { JobView } from '@capacloud/protocol/views';
import type { JobRow, ReadStore } from '../ports/read-store.ts';
import { type KeyCaller, reaches } from './caller.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Handlers } from './handler.ts';
import type { AsideOf, Idempotency } from './idempotency.ts';
import { followJob } from './job-events.ts';
import type { JobFeed } from './job-feed.ts';
import { priceOf, termsOf } from './job-terms.ts';
import { pageOfRows } from './pages.ts';
import { Bell, eventStream, lastEventId } from './server-events.ts';
import type { TaskViews } from './task-views.ts';
import { jobView, timeText } from './views.ts';

export interface JobParts {
  readonly deps: ApiDependencies;
  readonly idempotency: Idempotency;
  readonly feed: JobFeed;
  readonly views: TaskViews;
  readonly draining: AbortSignal;
}

export function jobHandlers(
  parts: JobParts,
): Handlers<'getJobSchema' | 'submitJob' | 'listJobs' | 'getJob' | 'cancelJob' | 'followJob'> {
  const { deps, idempotency, feed, views, draining } = parts;
  const { store } = deps;
  return {
    getJobSchema: () => accept(JobFileSchema),
    submitJob: async (call) => {
      const answer = await idempotency.once(call.idempotent, 201, (asideOf) =>
        submit(deps, call.caller.account, call.body, asideOf),
      );
      if (!answer.ok) return answer;
      if (answer.value.replayed) call.setHeader('idempotency-replayed', 'true');
      const view = JSON.parse(answer.value.body) as JobView;
      const waitMs = (call.query.wait ?? 0) * 1000;
      if (waitMs === 0) return accept(view);
      const row = await waitForEnd(parts, view.id, waitMs, AbortSignal.any([call.signal, draining]));
      return accept(row === undefined ? view : jobView(row));
    },
    listJobs: async ({ caller, query }) => {
      const filter = query.state === undefined ? {} : { state: query.state };
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
      const outcome = await deps.sequencer.submit({
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

/** The job, when the caller may see it. */
export async function findJob(store: ReadStore, caller: KeyCaller, job: JobId): Promise<JobRow | undefined> {
  const row = await store.getJob(job);
  return row !== undefined && reaches(caller, row.account) ? row : undefined;
}

export function noJob(job: JobId): Result<never> {
  return refuse('request.not_found', `There is no job ${job} that this key may see.`);
}

async function submit(
  deps: ApiDependencies,
  account: AccountId,
  body: unknown,
  asideOf: AsideOf,
): Promise<Result<string>> {
  const parsed = parseJobFile(body);
  if (!parsed.ok) return parsed;
  const spec = parsed.value;
  const price = priceOf(spec, deps.settings);
  if (!price.ok) return price;
  const missing = await missingInputs(deps, account, spec);
  if (missing.length > 0)
    return refuse('job.artifact_missing', `${missing.length} of the inputs cannot be read.`, {
      problems: missing,
    });
  const at = deps.now();
  const job = jobIdFrom(deps.randomBytes(20));
  const salt = encodeHex(deps.randomBytes(32));
  const { terms, specText } = termsOf(spec, price.value, salt);
  const { artifactIndex, sequencer, specs } = deps;
  const refs = [...new Set(spec.inputs.map((input) => input.sha256))].map((sha256) => ({
    sha256,
    account,
    job,
  }));
  // Before the job exists, so that no input is collected under it.
  for (const ref of refs) await artifactIndex.addRef(ref);
  // At hand when the task is placed, which may be in the same commit.
  specs.keep(job, spec, specText.length);
  const view = JSON.stringify(submittedView(job, account, spec, terms, at));
  const outcome = await sequencer.submit({ type: 'job.submit', at, job, consumer: account, terms }, () => [
    {
      kind: 'job_spec',
      job,
      spec: specText,
      salt,
      image: spec.image,
      ...(spec.name === undefined ? {} : { name: spec.name }),
    },
    asideOf(view),
  ]);
  if (outcome.ok) return accept(view);
  specs.forget(job);
  for (const ref of refs) await artifactIndex.removeRef(ref);
  return outcome;
}

async function missingInputs(
  deps: ApiDependencies,
  account: AccountId,
  spec: JobSpec,
): Promise<readonly Problem[]> {
  const party = { kind: 'account', account, operator: false } as const;
  const problems: Problem[] = [];
  for (const [index, { sha256 }] of spec.inputs.entries()) {
    const status = await deps.artifacts.status(party, sha256);
    if (status?.complete === true) continue;
    problems.push({
      pointer: `/inputs/${index}/source`,
      message:
        status === undefined
          ? `this account has uploaded no artifact ${sha256}`
          : `only ${status.offset} of ${status.sizeBytes} bytes of it have been uploaded`,
    });
  }
  return problems;
}

function submittedView(job: JobId, account: AccountId, spec: JobSpec, terms: JobTerms, at: number): JobView {
  const { tasks } = terms;
  return {
    id: job,
    ...(spec.name === undefined ? {} : { name: spec.name }),
    account,
    state: 'queued',
    image: spec.image,
    resources: spec.resources,
    tasks: { total: tasks, queued: tasks, active: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0 },
    submitted_at: timeText(at),
    held_nano: `${terms.holdNano * BigInt(tasks)}`,
    charged_nano: '0',
    max_rate_nano: `${terms.maxRateNano}`,
    spec_hash: terms.specHash,
  };
}

async function waitForEnd(
  { deps, feed }: JobParts,
  job: JobId,
  waitMs: number,
  signal: AbortSignal,
): Promise<JobRow | undefined> {
  const bell = new Bell();
  const stop = feed.watch(job, () => bell.ring());
  const until = deps.now() + waitMs;
  try {
    for (;;) {
      const leftMs = until - deps.now();
      // Every change of a task rings; only the last one is worth a look into the store.
      const isLive = (deps.sequencer.state.jobs.get(job)?.live ?? 0) > 0;
      if (!isLive || leftMs <= 0 || signal.aborted) {
        const row = await deps.store.getJob(job);
        if (row?.endedAt !== undefined || leftMs <= 0 || signal.aborted) return row;
      }
      await bell.wait(leftMs, signal);
    }
  } finally {
    stop();
  }
}
