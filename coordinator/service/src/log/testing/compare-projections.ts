import type { State } from '@capacloud/core/state';
import { expect } from 'vitest';
import type { Page, ReadStore } from '../../ports/read-store.ts';

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
  const accounts = await everything((cursor) => reads.listAccounts(paged(cursor)));
  const held = new Map<string, bigint>();
  for (const job of state.jobs.values())
    held.set(job.consumer, (held.get(job.consumer) ?? 0n) + job.terms.holdNano * BigInt(job.live));
  for (const account of accounts) {
    const live = Object.hasOwn(state.house, account.id)
      ? state.house[account.id as keyof State['house']]
      : state.accounts.get(account.id as never)?.availableNano;
    expect({ ...account }).toEqual({
      id: account.id,
      availableNano: live,
      heldNano: held.get(account.id) ?? 0n,
    });
    const entries = await everything((cursor) => reads.listLedgerEntries(account.id, paged(cursor)));
    expect(entries.reduce((sum, { deltaNano }) => sum + deltaNano, 0n)).toBe(account.availableNano);
  }
  expect(accounts.reduce((sum, { availableNano }) => sum + availableNano, 0n)).toBe(0n);
  expect(accounts.length).toBe(state.accounts.size + 5);

  const nodes = await everything((cursor) => reads.listNodes(paged(cursor)));
  expect(nodes.map(({ joinedAt: _, ...node }) => node)).toEqual(
    [...state.nodes.values()].map(({ id, provider, status, cause, accepting, offer }) => ({
      id,
      provider,
      status,
      cause,
      accepting,
      offer,
    })),
  );

  for (const job of state.jobs.values()) {
    const row = await reads.getJob(job.id);
    const active = job.tasks.filter(({ node }) => node !== undefined).length;
    expect(row?.tasks).toEqual({
      total: job.tasks.length,
      queued: job.live - active,
      active,
      succeeded: job.succeeded,
      failed: job.failed,
      cancelled: job.cancelledTasks,
      expired: job.expired,
    });
    expect(row?.heldNano).toBe(job.terms.holdNano * BigInt(job.live));
    const tasks = await everything((cursor) => reads.listTasks(job.id, {}, paged(cursor)));
    expect(tasks.map(({ id, state: name, reason, attempts }) => ({ id, name, reason, attempts }))).toEqual(
      job.tasks.map((task) => ({
        id: task.id,
        name: task.state,
        reason: task.reason,
        attempts: task.attempt,
      })),
    );
  }
}
