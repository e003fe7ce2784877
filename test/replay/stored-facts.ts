import type { ArtifactIndex, TaskCheckpoint } from '@capacloud/coordinator/ports/artifact-index';
import type { ReadStore } from '@capacloud/coordinator/ports/read-store';
import { isAccountId } from '@capacloud/protocol/ids';

const page = { limit: 1000 };

/** Everything that the tables of a data folder tell, as plain JSON: amounts are decimal strings. */
export async function readFacts(reads: ReadStore): Promise<unknown> {
  const accounts = [];
  const jobs = [];
  for (const account of (await reads.listAccounts(page))?.items ?? []) {
    const entries = (await reads.listLedgerEntries(account.id, page))?.items;
    const keys = (await reads.listApiKeys(account.id as never, page))?.items;
    accounts.push({ account, entries, keys });
    for (const job of (await reads.listJobs(account.id as never, {}, page))?.items ?? []) {
      const spec = await reads.getJobSpec(job.id);
      const tasks = [];
      for (const task of (await reads.listTasks(job.id, {}, page))?.items ?? []) {
        const attempts = [];
        for (const attempt of await reads.listAttempts(task.id))
          attempts.push({ attempt, receipt: await reads.getReceipt(task.id, attempt.attempt) });
        tasks.push({ task, attempts });
      }
      jobs.push({ job, spec, tasks });
    }
  }
  const nodes = (await reads.listNodes(page))?.items;
  const asText = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value);
  return JSON.parse(JSON.stringify({ accounts, jobs, nodes }, asText));
}

/** What is stored of whose, the checkpoints of tasks, and the outputs that failed attempts left. */
export async function readKept(artifacts: ArtifactIndex, reads: ReadStore): Promise<Kept> {
  const owned = [];
  const left = [];
  for (const { id } of (await reads.listAccounts(page))?.items ?? []) {
    if (!isAccountId(id)) continue;
    const items = await artifacts.listOwned(id, undefined, page.limit);
    if (items.length > 0) owned.push({ account: id, items });
    for (const job of (await reads.listJobs(id, {}, page))?.items ?? [])
      for (const task of (await reads.listTasks(job.id, {}, page))?.items ?? []) {
        const attempt = await artifacts.leftBy(task.id);
        if (attempt !== undefined) left.push({ task: task.id, attempt });
      }
  }
  const tasks = await artifacts.listCheckpoints(undefined, page.limit);
  const checkpoints = await Promise.all(tasks.map((task) => artifacts.checkpointOf(task)));
  return { totalBytes: await artifacts.totalBytes(), owned, checkpoints, left };
}

export interface Kept {
  readonly totalBytes: number;
  readonly owned: readonly object[];
  readonly checkpoints: readonly (TaskCheckpoint | undefined)[];
  readonly left: readonly object[];
}
