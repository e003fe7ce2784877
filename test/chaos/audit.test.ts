import type { Client } from '@capacloud/client/client';
import type { Event } from '@capacloud/core/contract/event';
import type { AccountId, JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import { expect, it } from 'vitest';
import { auditMoney } from './audit-money.ts';

const job = `job_${'a'.repeat(20)}` as JobId;
const task = `${job}.0` as TaskId;
const node = `node_${'1'.repeat(40)}` as NodeId;
const [ada, pat] = ['acc_ada', 'acc_pat'] as AccountId[] as [AccountId, AccountId];
const specHash = 'f'.repeat(64) as Sha256Hex;

/** A job of one task with a hold of 100, of which 10 are charged. */
const submitted = { type: 'job.submitted', at: 1, job, consumer: ada, specHash, tasks: 1, holdNano: '100' };
const paid = {
  type: 'attempt.ended',
  at: 3,
  task,
  attempt: 1,
  reason: 'completed',
  released: true,
  then: { kind: 'succeeded', chargeNano: '10', payNano: '9', feeNano: '1', meteredMs: 1 },
};
const events = [
  { type: 'account.credited', at: 0, account: ada, amountNano: '1000', ref: 'r' },
  { type: 'node.joined', at: 0, node, provider: pat },
  submitted,
  { type: 'attempt.assigned', at: 2, task, attempt: 1, node, devices: [], rateNano: '1' },
  paid,
] as unknown as readonly Event[];

type Entry = { kind: string; delta: number; task?: TaskId };
const books: Record<string, readonly Entry[]> = {
  emission: [{ kind: 'grant', delta: -1000 }],
  [ada]: [
    { kind: 'grant', delta: 1000 },
    { kind: 'hold', delta: -100 },
    { kind: 'capture', delta: 90, task },
  ],
  [pat]: [{ kind: 'capture', delta: 9, task }],
  fees: [{ kind: 'capture', delta: 1, task }],
  holds: [
    { kind: 'hold', delta: 100 },
    { kind: 'capture', delta: -100, task },
  ],
};

/** An operator who shows these books. */
function operatorOf(shown: Readonly<Record<string, readonly Entry[]>>): Client {
  const call = (name: string, options: { readonly params?: { readonly account: string } }) => {
    const items =
      name === 'listAccounts'
        ? Object.entries(shown).map(([id, entries]) => ({
            id,
            available_nano: String(entries.reduce((sum, { delta }) => sum + delta, 0)),
            held_nano: '0',
          }))
        : (shown[options.params?.account ?? ''] ?? []).map(({ delta, ...rest }) => ({
            ...rest,
            account: options.params?.account,
            delta_nano: String(delta),
          }));
    return Promise.resolve({ items });
  };
  return { call } as unknown as Client;
}

async function findingsOf(log: readonly Event[], shown = books, succeeded = [task]): Promise<string[]> {
  const findings: string[] = [];
  await auditMoney(operatorOf(shown), log, new Set(succeeded), findings);
  return findings;
}

it('finds nothing in books that follow from the log', async () => {
  expect(await findingsOf(events)).toEqual([]);
});

it('finds money from nowhere', async () => {
  const findings = await findingsOf(events, { ...books, [pat]: [{ kind: 'capture', delta: 10, task }] });
  expect(findings).toEqual(['acc_pat has 10; the log says 9', 'all accounts sum to 1']);
});

it('finds a task that was paid twice, by the log and by the entries', async () => {
  const twice = [...events, paid as unknown as Event];
  expect(await auditMoney(operatorOf(books), twice, new Set([task]), [])).toEqual({ paidTwice: 1 });
  expect(await auditMoney(operatorOf(books), events, new Set([task]), [])).toEqual({ paidTwice: 0 });
  const findings = await findingsOf(twice);
  expect(findings).toContain(`${task} succeeded and was paid 2 times by the events`);
  expect(findings).toContain('the log leaves holds of -100 open');
  const entries = [...(books['holds'] ?? []), { kind: 'capture', delta: -100, task }];
  expect(await findingsOf(events, { ...books, holds: entries })).toEqual(
    expect.arrayContaining([
      `the hold of ${task} ended 2 times`,
      `${task} succeeded and was paid 2 times by the entries`,
    ]),
  );
});

it('finds a payment for what did not succeed, and a hold that never ended', async () => {
  expect(await findingsOf(events, books, [])).toEqual([
    `${task} did not succeed and was paid by the events`,
    `${task} did not succeed and was paid by the entries`,
  ]);
  expect(await findingsOf(events.slice(0, -1))).toContain('the log leaves holds of 100 open');
});
