import type { AccountId, NodeId } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { expectProjectionsEqual } from '../testing/compare-projections.ts';
import {
  consumerAccount,
  startCoordinator,
  type TestCoordinator,
  testOffer,
} from '../testing/test-coordinator.ts';
import { jobNamed, nodeNamed, termsOf } from '../testing/workload.ts';
import { openStore } from './store.ts';

let rig: TestCoordinator;
let at: number;

beforeEach(async () => {
  rig = await startCoordinator();
  at = Date.now();
});
afterEach(() => rig.close());

async function join(n: number): Promise<void> {
  const provider = `0x${n.toString(16).padStart(40, '0')}` as AccountId;
  const outcome = await rig.sequencer.submit(
    { type: 'node.connect', at, node: nodeNamed(n), provider, offer: testOffer, accepting: true, held: [] },
    () => [{ kind: 'session', node: nodeNamed(n), delegation: `{"n":${n}}`, signature: '0x' }],
  );
  expect(outcome.ok).toBe(true);
}

/** So late that every node is lost, and forgotten in the tick after. */
async function loseAll(): Promise<void> {
  at += 100_000;
  for (let i = 0; i < 2; i++) await rig.do({ type: 'tick', at, heard: new Map(), listeningSince: 0 });
}

async function nodesListed(): Promise<readonly NodeId[]> {
  return ((await rig.store.reads.listNodes({ limit: 100 }))?.items ?? []).map(({ id }) => id);
}

it('drops the rows of nodes that are forgotten, and keeps the name of those that attempts refer to', async () => {
  const { reads } = rig.store;
  const accounts = (await reads.listAccounts({ limit: 100 }))?.items.length;
  for (let n = 1; n <= 20; n++) await join(n);
  // Nothing but nodes is opened by joining.
  expect((await reads.listAccounts({ limit: 100 }))?.items).toHaveLength(accounts ?? 0);
  expect(await reads.getNodeSession(nodeNamed(7))).toMatchObject({ delegation: '{"n":7}' });
  await rig.do({ type: 'account.credit', at, account: consumerAccount, amountNano: 10n ** 9n, ref: 'more' });
  await rig.do({ type: 'job.submit', at, job: jobNamed(1), consumer: consumerAccount, terms: termsOf(1) });
  await rig.do({ type: 'place', at });
  const task = taskIdOf(jobNamed(1), 0);
  const used = rig.sequencer.state.tasks.get(task)?.node;
  await loseAll();
  expect(rig.sequencer.state.nodes.size).toBe(0);
  expect(await nodesListed()).toEqual([]);
  expect(await reads.getNodeSession(nodeNamed(7))).toBeUndefined();
  expect(await reads.getNode(used ?? nodeNamed(0))).toBeUndefined();
  expect(await reads.listAttempts(task)).toMatchObject([{ node: used, reason: 'node_lost' }]);
  await expectProjectionsEqual(reads, rig.sequencer.state);
  // They join again, the one that is still named by its attempt among them.
  for (let n = 20; n > 0; n--) await join(n);
  expect([...(await nodesListed())].sort()).toEqual(Array.from({ length: 20 }, (_, n) => nodeNamed(n + 1)));
  expect(await reads.getNode(used ?? nodeNamed(0))).toMatchObject({ offer: testOffer, joinedAt: at });
  expect(await reads.getNodeSession(nodeNamed(7))).toMatchObject({ delegation: '{"n":7}' });
  await rig.sequencer.close();
  await rig.store.close();
  const again = await openStore(rig.dataDir);
  expect(again.faultOfTables(rig.sequencer.state)).toBeUndefined();
  await again.close();
});
