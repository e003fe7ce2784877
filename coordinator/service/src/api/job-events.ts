import type { Event } from '@capacloud/core/contract/event';
import type { TaskId } from '@capacloud/protocol/ids';
import type { JobRow, TaskRow } from '../ports/read-store.ts';
import type { ApiDependencies } from './dependencies.ts';
import { type JobFeed, subjectOf } from './job-feed.ts';
import { Bell, heartbeat, heartbeatMs, pause, serverEvent } from './server-events.ts';
import type { TaskViews } from './task-views.ts';
import { jobView } from './views.ts';

const pageTasks = 200;
/** Events that a returning client missed and that are looked through; beyond them, times tell what changed. */
const maxLookedThrough = 1000;
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
  const pending: Pending = { tasks: since === undefined ? 'all' : new Set(), index: job.event };
  // Watched before anything is read, so that no change falls between.
  const stop = feed.watch(job.id, (change) => {
    note(pending, change.tasks, change.index);
    bell.ring();
  });
  try {
    const { size } = await deps.transparency.entries(job.event, 1);
    const missed = since === undefined ? 'all' : await changedSince(deps, job, since, size);
    note(pending, missed, size - 1);
    const changedAfter = since === undefined ? 0 : await timeOf(deps, since);
    let toldJob = '';
    const told = new Map<TaskId, string>();
    for (let last = false; ; ) {
      const { tasks, index } = pending;
      pending.tasks = new Set();
      const sweep = tasks === 'all' || last;
      for await (const rows of sweep ? everyTask(deps, job) : someTasks(deps, tasks)) {
        const news = rows.filter(
          (row) => told.get(row.id) !== versionOf(row) && (!sweep || row.updatedAt >= changedAfter),
        );
        for (const row of news) told.set(row.id, versionOf(row));
        // Made as they are read: what they hold of receipts is large, and many may follow a job.
        for (const row of news) yield serverEvent('task', await views.ofTask(row));
      }
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

function note(pending: Pending, tasks: Iterable<TaskId> | 'all', index: number): void {
  pending.index = Math.max(pending.index, index);
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

/** The job's tasks that events after `since` changed; all when there are too many events to look through. */
async function changedSince(
  deps: ApiDependencies,
  job: JobRow,
  since: number,
  size: number,
): Promise<ReadonlySet<TaskId> | 'all'> {
  if (size - since > maxLookedThrough) return 'all';
  const tasks = new Set<TaskId>();
  for (let from = since + 1; from < size; ) {
    const { entries } = await deps.transparency.entries(from, maxLookedThrough);
    for (const entry of entries) {
      if (!entry.includes(job.id)) continue;
      const subject = subjectOf(JSON.parse(entry) as Event);
      if (subject?.task === 'all') return 'all';
      if (subject?.task !== undefined) tasks.add(subject.task);
    }
    if (entries.length === 0) break;
    from += entries.length;
  }
  return tasks;
}

/** When the event happened: tasks that changed since then are those that changed since the event, and some more. */
async function timeOf(deps: ApiDependencies, index: number): Promise<number> {
  const { entries } = await deps.transparency.entries(index, 1);
  const entry = entries[0];
  return entry === undefined ? 0 : (JSON.parse(entry) as { readonly at: number }).at;
}
