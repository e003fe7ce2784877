import type { State } from '@capacloud/core/state';
import type { ProjectorSeed } from './projector-seed.ts';

/** Whether the tables of what lives say what the log says; else what is wrong, for people. They are written together. */
export function faultOfTables(state: State, seed: ProjectorSeed): string | undefined {
  const accounts = new Map(seed.accounts.map((account) => [account.id as string, account]));
  const balances: [string, bigint][] = Object.entries(state.house);
  for (const { id, availableNano } of state.accounts.values()) balances.push([id, availableNano]);
  for (const [id, availableNano] of balances)
    if (accounts.get(id)?.availableNano !== availableNano) return `the balance of ${id}`;
  if (accounts.size !== balances.length) return 'the list of accounts';
  const nodes = new Set(seed.nodes.flatMap(({ id, isLive }) => (isLive ? [id] : [])));
  for (const id of state.nodes.keys()) if (!nodes.has(id)) return `the node ${id}`;
  if (nodes.size !== state.nodes.size) return 'the list of nodes';
  const jobs = new Map(seed.liveJobs);
  for (const job of state.jobs.values())
    if (jobs.get(job.id)?.heldNano !== job.terms.holdNano * BigInt(job.live)) return `the job ${job.id}`;
  return jobs.size === state.jobs.size ? undefined : 'the list of live jobs';
}
