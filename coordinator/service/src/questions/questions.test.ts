import type { NodeId, TaskId } from '@capacloud/protocol/ids';
import { jobIdOf, taskIdOf } from '@capacloud/protocol/ids';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogPort } from '../ports/log.ts';
import {
  consumerAccount,
  startCoordinator,
  type TestCoordinator,
  testNode,
  testOffer,
} from '../testing/test-coordinator.ts';
import { frozenCopy } from './frozen-copy.ts';

/** A log whose disk answers only while it is let through. */
class HeldLog {
  #held: Promise<void> | undefined;
  #release: () => void = () => {};
  #fail: (error: Error) => void = () => {};

  hold(): void {
    const held = Promise.withResolvers<void>();
    held.promise.catch(() => {});
    this.#held = held.promise;
    this.#release = held.resolve;
    this.#fail = held.reject;
  }
  release(): void {
    this.#release();
    this.#held = undefined;
  }
  fail(): void {
    this.#fail(new Error('the disk is broken'));
  }

  readonly wrap = (log: LogPort): LogPort => ({
    append: async (group, epoch) => {
      await this.#held;
      await log.append(group, epoch);
    },
    read: (from, limit, maxBytes) => log.read(from, limit, maxBytes),
    follow: (from, signal) => log.follow(from, signal),
    size: () => log.size(),
  });
}

const otherNode = `node_${'33'.repeat(20)}` as NodeId;
const log = new HeldLog();
let coordinator: TestCoordinator;
beforeEach(async () => {
  coordinator = await startCoordinator({ wrapLog: log.wrap });
  await coordinator.connectNode();
});
afterEach(async () => {
  log.release();
  await coordinator.close();
});

let jobs = 0;
async function assigned(): Promise<TaskId> {
  const json = { version: '1', image: 'busybox', outputs: [{ path: '/out/' }], resources: { disk: '64Mi' } };
  jobs += 1;
  const headers = { 'idempotency-key': `questions-${jobs}` };
  const response = await coordinator.call('POST', '/v1/jobs', { json, headers });
  expect(response.status).toBe(201);
  const task = taskIdOf(((await response.json()) as JobView).id, 0);
  await expect.poll(async () => (await coordinator.store.reads.getTask(task))?.state).toBe('assigned');
  return task;
}

/** How a promise stands after everything that needs no disk has been done. */
async function afterAWhile<T>(promise: Promise<T>): Promise<T | 'waits'> {
  const late = new Promise<'waits'>((resolve) => {
    setTimeout(() => resolve('waits'), 50);
  });
  return Promise.race([promise, late]);
}

/** Changes the state in memory; the disk does not answer. */
function connectOther(): void {
  const change = { at: Date.now(), node: otherNode, provider: consumerAccount, accepting: true } as const;
  void coordinator.sequencer.submit({ ...change, type: 'node.connect', offer: testOffer, held: [] });
  expect(coordinator.sequencer.state.nodes.has(otherNode)).toBe(true);
}

interface Room {
  readonly name: string;
  /** Changes something in memory, and gives how to ask for it. */
  readonly change: (task: TaskId) => () => Promise<unknown>;
  readonly changed: unknown;
}

const rooms: readonly Room[] = [
  {
    name: 'the API',
    change: () => {
      connectOther();
      return async () => (await coordinator.call('GET', `/v1/nodes/${otherNode}/why`)).status;
    },
    changed: 200,
  },
  {
    name: 'the gateway',
    change: () => {
      connectOther();
      return async () => (await coordinator.questions.acquaintance(otherNode)).isKnown;
    },
    changed: true,
  },
  {
    name: 'the artifacts',
    change: (task) => {
      const by = { kind: 'node', node: testNode, attempt: { task, attempt: 1 } } as const;
      void coordinator.sequencer.submit({
        type: 'job.cancel',
        at: Date.now(),
        job: jobIdOf(task),
        consumer: consumerAccount,
      });
      expect(coordinator.sequencer.state.tasks.get(task)?.state).toBe('cancelled');
      return async () => (await coordinator.room.artifacts.announce(by, 'a'.repeat(64) as never, 10)).ok;
    },
    changed: false,
  },
];

describe.each(rooms)('$name, while an append is held back', ({ change, changed }) => {
  it('shows a change once it is on disk, and not before', async () => {
    const task = await assigned();
    log.hold();
    const ask = change(task);
    const asked = ask();
    expect(await afterAWhile(asked)).toBe('waits');
    log.release();
    expect(await asked).toBe(changed);
    expect(await ask()).toBe(changed);
  });

  it('never shows a change whose append fails', async () => {
    const task = await assigned();
    log.hold();
    const asked = change(task)();
    expect(await afterAWhile(asked)).toBe('waits');
    log.fail();
    await expect.poll(() => coordinator.failures).toHaveLength(1);
    expect(await afterAWhile(asked)).toBe('waits');
    coordinator.failures.length = 0;
    asked.catch(() => undefined);
    coordinator.api.app.server.closeAllConnections();
  });
});

it('tells its health while the disk does not answer', async () => {
  log.hold();
  connectOther();
  expect((await coordinator.call('GET', '/healthz')).status).toBe(200);
});

it('answers at once where nothing is on its way to the disk', async () => {
  await coordinator.sequencer.durable();
  expect(await afterAWhile(coordinator.questions.nodeCount())).toBe(1);
});

it('gives out frozen copies, and never a live record', async () => {
  const task = await assigned();
  const { offer } = coordinator.sequencer.state.nodes.get(testNode) ?? expect.fail('no node');
  const known = await coordinator.questions.knownNode(testNode);
  expect(known?.offer).toEqual(offer);
  expect(known?.offer).not.toBe(offer);
  expect(Object.isFrozen(known?.offer.ask)).toBe(true);
  expect(await coordinator.questions.heldBy(testNode)).toMatchObject([{ task, attempt: 1, stage: 'early' }]);
  for (const live of [new Map(), new Date(0), () => 0, { deep: [new Set()] }])
    expect(() => frozenCopy(live)).toThrow(TypeError);
  expect(structuredClone(frozenCopy({ amount: 1n, list: [{ a: undefined }] }))).toEqual({
    amount: 1n,
    list: [{ a: undefined }],
  });
});

it('names the attempts that have ended and that their nodes have not let go of', async () => {
  const [ended, running] = [await assigned(), await assigned()];
  expect(await coordinator.questions.unreleased()).toEqual([]);
  const change = { at: Date.now(), consumer: consumerAccount } as const;
  await coordinator.do({ ...change, type: 'job.cancel', job: jobIdOf(ended) });
  expect(await coordinator.questions.unreleased()).toEqual([{ task: ended, attempt: 1, node: testNode }]);
  expect((await coordinator.questions.desiredOn(testNode)).map(({ task }) => task)).toEqual([running]);
});
