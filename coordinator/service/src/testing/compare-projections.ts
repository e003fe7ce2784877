import { deepEqual } from 'node:assert/strict';
import type { State } from '@capacloud/core/state';
import type { Page, ReadStore } from '../ports/read-store.ts';

async function everything<T>(
  list: (cursor: string | undefined) => Promise<Page<T> | undefined>,
): Promise<T[]> {
  const items: T[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await list(cursor);
    items.push(...(page?.items ?? []));
    if (page?.next === undefined) return items;
    cursor = page.next;
  }
}

const paged = (cursor: string | undefined) => (cursor === undefined ? { limit: 7 } : { limit: 7, cursor });

/** What the tables say is what the state says, for everything that lives, and the books balance. */
export async function expectProjectionsEqual(reads: ReadStore, state: State): Promise<void> {
  await expectAccountsEqual(reads, state);
  await expectNodesEqual(reads, state);
  await expectJobsEqual(reads, state);
}

async function expectAccountsEqual(reads: ReadStore, state: State): Promise<void> {
  const accounts = await everything((cursor) => reads.listAccounts(paged(cursor)));
  const held = new Map<string, bigint>();
  for (const job of state.jobs.values())
    held.set(job.consumer, (held.get(job.consumer) ?? 0n) + job.terms.holdNano * BigInt(job.live));
  for (const account of accounts) {
    const live = Object.hasOwn(state.house, account.id)
      ? state.house[account.id as keyof State['house']]
      : state.accounts.get(account.id as never)?.availableNano;
    deepEqual(
      { ...account },
      {
        id: account.id,
        availableNano: live,
        heldNano: held.get(account.id) ?? 0n,
      },
    );
    const entries = await everything((cursor) => reads.listLedgerEntries(account.id, paged(cursor)));
    deepEqual(
      entries.reduce((sum, { deltaNano }) => sum + deltaNano, 0n),
      account.availableNano,
    );
  }
  deepEqual(
    accounts.reduce((sum, { availableNano }) => sum + availableNano, 0n),
    0n,
  );
  deepEqual(accounts.length, state.accounts.size + 5);
}

async function expectNodesEqual(reads: ReadStore, state: State): Promise<void> {
  const nodes = await everything((cursor) => reads.listNodes(paged(cursor)));
  deepEqual(
    nodes.map(({ id, provider, status, cause, accepting, offer }) => ({
      id,
      provider,
      status,
      cause,
      accepting,
      offer,
    })),
    [...state.nodes.values()].map(({ id, provider, status, cause, accepting, offer }) => ({
      id,
      provider,
      status,
      cause,
      accepting,
      offer,
    })),
  );
}

async function expectJobsEqual(reads: ReadStore, state: State): Promise<void> {
  for (const job of state.jobs.values()) {
    const row = await reads.getJob(job.id);
    const active = job.tasks.filter(({ node }) => node !== undefined).length;
    deepEqual(row?.tasks, {
      total: job.tasks.length,
      queued: job.live - active,
      active,
      succeeded: job.succeeded,
      failed: job.failed,
      cancelled: job.cancelledTasks,
      expired: job.expired,
    });
    deepEqual(row?.heldNano, job.terms.holdNano * BigInt(job.live));
    const tasks = await everything((cursor) => reads.listTasks(job.id, {}, paged(cursor)));
    deepEqual(
      tasks.map(({ id, state: name, reason, attempts }) => ({ id, name, reason, attempts })),
      job.tasks.map((task) => ({
        id: task.id,
        name: task.state,
        reason: task.reason,
        attempts: task.attempt,
      })),
    );
  }
}
