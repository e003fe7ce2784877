import type { ReadStore } from '@capacloud/coordinator/ports/read-store';

const page = { limit: 1000 };

/** Everything that the tables of a data folder tell, as plain JSON: amounts are decimal strings. */
export async function readFacts(reads: ReadStore): Promise<unknown> {
  const accounts = [];
  const jobs = [];
  for (const account of (await reads.listAccounts(page))?.items ?? []) {
    const entries = (await reads.listLedgerEntries(account.id, page))?.items;
    const keys = account.id.startsWith('acc_') ? await reads.listApiKeys(account.id as never) : [];
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
