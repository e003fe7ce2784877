import type { TaskId } from '@capacloud/protocol/ids';
import type { JobRow, TaskRow } from '../ports/read-store.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { JobFeed } from './job-feed.ts';
import { Bell, heartbeat, heartbeatMs, pause, serverEvent } from './server-events.ts';
import type { TaskViews } from './task-views.ts';
import { jobView } from './views.ts';

const pageTasks = 200;
/** Changes within so long are told together. */
const gatherMs = 100;

interface Parts {
  readonly deps: ApiDependencies;
  readonly feed: JobFeed;
  readonly views: TaskViews;
}

/** What has changed and was not told yet. Bounded by the tasks of the job: a task is told as it is, not as it was. */
interface Pending {
  tasks: Set<TaskId> | 'all';
  /** Everything up to this event in the log is in `tasks` or was told. */
  index: number;
}

/**
 * The job's tasks as they are, then each change, until the job has ended. The id of the last message of a
 * batch is an index in the log; whoever comes back with it gets every task that changed since.
 */
export async function* followJob(
  { deps, feed, views }: Parts,
  job: JobRow,
  since: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<string, void, void> {
  const bell = new Bell();
  const pending: Pending = { tasks: 'all', index: job.event };
  let changedAfter = 0;
  // Watched before anything is read, so that no change falls between.
  const stop = feed.watch(job.id, (change) => {
    note(pending, change.tasks, change.index);
    bell.ring();
  });
  try {
    const { size } = await deps.transparency.entries(job.event, 1);
    pending.index = Math.max(pending.index, size - 1);
    if (since !== undefined) changedAfter = await timeOf(deps, since);
    let toldJob = '';
    const told = new Map<TaskId, string>();
    for (let last = false; ; ) {
      const { tasks, index } = pending;
      pending.tasks = new Set();
      for await (const rows of tasks === 'all' || last ? everyTask(deps, job) : someTasks(deps, tasks)) {
        const changed = rows.filter((row) => told.get(row.id) !== versionOf(row));
        for (const row of rows) told.set(row.id, versionOf(row));
        const news = changed.filter((row) => row.updatedAt >= changedAfter);
        for (const view of await views.ofTasks(news)) yield serverEvent('task', view);
      }
      changedAfter = 0;
      const row = (await deps.store.getJob(job.id)) ?? job;
      // Rows can be read before the feed tells of them, so every task is looked at once more after the end.
      if (row.endedAt !== undefined && !last) {
        last = true;
        continue;
      }
      const view = jobView(row);
      const text = JSON.stringify(view);
      if (text !== toldJob) yield serverEvent('job', view, index);
      toldJob = text;
      if (signal.aborted || last) return;
      while (!(await bell.wait(heartbeatMs, signal))) {
        if (signal.aborted) return;
        yield heartbeat;
      }
      await pause(gatherMs, signal);
    }
  } finally {
    stop();
  }
}

function note(pending: Pending, tasks: readonly TaskId[] | 'all', index: number): void {
  pending.index = index;
  if (pending.tasks === 'all') return;
  if (tasks === 'all') pending.tasks = 'all';
  else for (const task of tasks) pending.tasks.add(task);
}

function versionOf(row: TaskRow): string {
  return `${row.state} ${row.attempts} ${row.updatedAt}`;
}

async function* everyTask(deps: ApiDependencies, job: JobRow): AsyncGenerator<readonly TaskRow[]> {
  let cursor: string | undefined;
  do {
    const page = await deps.store.listTasks(
      job.id,
      {},
      { limit: pageTasks, ...(cursor === undefined ? {} : { cursor }) },
    );
    yield page?.items ?? [];
    cursor = page?.next;
  } while (cursor !== undefined);
}

async function* someTasks(
  deps: ApiDependencies,
  tasks: ReadonlySet<TaskId>,
): AsyncGenerator<readonly TaskRow[]> {
  for (const task of tasks) {
    const row = await deps.store.getTask(task);
    if (row !== undefined) yield [row];
  }
}

/** When the event happened: tasks that changed since then are those that changed since the event, and some more. */
async function timeOf(deps: ApiDependencies, index: number): Promise<number> {
  const { entries } = await deps.transparency.entries(index, 1);
  const entry = entries[0];
  return entry === undefined ? 0 : (JSON.parse(entry) as { readonly at: number }).at;
}
