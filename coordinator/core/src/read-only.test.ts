import { expectTypeOf, test } from 'vitest';
import type { ReadOnly } from './read-only.ts';
import type { decidePlace, decideTick } from './scheduler/schedule-commands.ts';
import type { Account, Amounts } from './slices/account/record.ts';
import type { Task } from './slices/attempt/record.ts';
import type { ConsumerQueue, Job, Lane } from './slices/job/record.ts';
import type { NodeRecord } from './slices/node/record.ts';
import type { State } from './state.ts';

type Reading = ReadOnly<State>;
type ReadNode = ReadOnly<NodeRecord>;

/** Never called: the compiler is the test. A directive without an error below it is an error itself. */
function plantedWrites(state: Reading, node: ReadNode, task: ReadOnly<Task>, job: ReadOnly<Job>): void {
  // @ts-expect-error A field of the state.
  state.jobSeq = 1;
  // @ts-expect-error A field of a record that the state leads to.
  state.house.fees = 1n;
  // @ts-expect-error A map of the state.
  state.nodes.clear();
  // @ts-expect-error A set of the state.
  state.openNodes.delete(node);
  // @ts-expect-error A clock.
  state.stageClocks.remove(task);
  // @ts-expect-error The feed of changes.
  state.feed.noteNode(node);
  // @ts-expect-error One of its lists.
  state.feed.rows.push(1);
  // @ts-expect-error The pool of offers.
  state.offers.take(node.offer);
  // @ts-expect-error A capacity.
  node.free[0] = 1;
  // @ts-expect-error A field of an offer.
  node.offer.cpuMilli = 1;
  // @ts-expect-error A list in an offer.
  node.offer.devices.length = 0;
  // @ts-expect-error A record within a record.
  node.standing.endings = 1;
  // @ts-expect-error A map of a record.
  job.owners.clear();
  // @ts-expect-error An element of a list.
  for (const each of job.tasks) each.state = 'queued';
  for (const { account, lanes } of state.waiting.values()) {
    // @ts-expect-error A record that an index leads to.
    account.use.deviceMilli = 1;
    // @ts-expect-error A list of an index.
    lanes.pop();
  }
}

test('no write compiles', () => {
  expectTypeOf(plantedWrites).toBeFunction();
});

test('what may only be read is never taken for what may be written', () => {
  expectTypeOf<Reading>().not.toExtend<State>();
  expectTypeOf<ReadNode>().not.toExtend<NodeRecord>();
  expectTypeOf<ReadOnly<Job>>().not.toExtend<Job>();
  expectTypeOf<ReadOnly<Task>>().not.toExtend<Task>();
  expectTypeOf<ReadOnly<Account>>().not.toExtend<Account>();
  expectTypeOf<ReadOnly<Amounts>>().not.toExtend<Amounts>();
  expectTypeOf<ReadOnly<Lane>>().not.toExtend<Lane>();
  expectTypeOf<ReadOnly<ConsumerQueue>>().not.toExtend<ConsumerQueue>();
});

test('the scheduler is handed a state that it can only read', () => {
  expectTypeOf<Parameters<typeof decidePlace>[0]>().toEqualTypeOf<Reading>();
  expectTypeOf<Parameters<typeof decideTick>[0]>().toEqualTypeOf<Reading>();
});
