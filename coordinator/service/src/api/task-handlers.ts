import { jobIdOf, type TaskId } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { SignedReceipt } from '@capacloud/protocol/wire/receipt';
import type { TaskRow } from '../ports/read-store.ts';
import type { KeyCaller } from './caller.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Handlers } from './handler.ts';
import { findJob, noJob } from './job-handlers.ts';
import { type LongLooks, lookLimits, weightOfLook } from './long-looks.ts';
import { pageOfRows } from './pages.ts';
import { TokenBuckets } from './rate-limit.ts';
import type { TaskViews } from './task-views.ts';
import { whyView } from './why-view.ts';

export function taskHandlers(
  deps: ApiDependencies,
  views: TaskViews,
  looks: LongLooks,
): Handlers<'listTasks' | 'getTask' | 'explainTask' | 'listAttempts' | 'getReceipt'> {
  const { store } = deps;
  const explained = new TokenBuckets(lookLimits.perJob, maxExplainedJobs, deps.now);
  return {
    listTasks: async ({ caller, params, query }) => {
      if ((await findJob(store, caller, params.job)) === undefined) return noJob(params.job);
      const filter = query.state === undefined ? {} : { state: query.state };
      return pageOfRows(
        query,
        (page) => store.listTasks(params.job, filter, page),
        (row) => views.ofTask(row),
      );
    },
    getTask: async ({ caller, params }) => {
      const row = await findTask(deps, caller, params.task);
      return row === undefined ? noTask(params.task) : accept(await views.ofTask(row));
    },
    explainTask: async ({ caller, callerName, charge, params, signal }) => {
      const row = await findTask(deps, caller, params.task);
      if (row === undefined) return noTask(params.task);
      const job = jobIdOf(params.task);
      if (!explained.take(job).allowed)
        return refuse('request.rate_limited', `Tasks of ${job} are explained once a second at most.`);
      const view = await views.ofTask(row);
      if (view.state === 'queued') charge(weightOfLook(await deps.questions.nodeCount()));
      return looks.run(callerName, signal, () => whyView(deps, view, signal));
    },
    listAttempts: async ({ caller, params }) => {
      if ((await findTask(deps, caller, params.task)) === undefined) return noTask(params.task);
      const rows = await store.listAttempts(params.task);
      return accept({ items: await Promise.all(rows.map((row) => views.ofAttempt(row))) });
    },
    getReceipt: async ({ caller, params }) => {
      const task = await findTask(deps, caller, params.task);
      const stored = task === undefined ? undefined : await store.getReceipt(params.task, params.attempt);
      if (stored === undefined)
        return refuse(
          'request.not_found',
          `Attempt ${params.attempt} of ${params.task} has no receipt that this key may see.`,
        );
      return accept(JSON.parse(stored.signed) as SignedReceipt);
    },
  };
}

/** Jobs whose bound of explanations is remembered. */
const maxExplainedJobs = 10_000;

/** The task, when the caller may see its job. */
export async function findTask(
  deps: ApiDependencies,
  caller: KeyCaller,
  task: TaskId,
): Promise<TaskRow | undefined> {
  if ((await findJob(deps.store, caller, jobIdOf(task))) === undefined) return undefined;
  return deps.store.getTask(task);
}

export function noTask(task: TaskId): Result<never> {
  return refuse('request.not_found', `There is no task ${task} that this key may see.`);
}
