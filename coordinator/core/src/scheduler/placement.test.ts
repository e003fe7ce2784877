import type { AccountId } from '@capacloud/protocol/ids';
import { describe, expect, it } from 'vitest';
import { waitingReason } from '../explain/waiting-reason.ts';
import { decide, needsPlacement } from '../machine.ts';
import { gib, jobId, Machine, nodeId, offer, provider } from '../testing/harness.ts';
import { lookLimits } from './order/look.ts';
import { placementLimits } from './placement.ts';
import { maxEndsPerTick } from './schedule-commands.ts';

const ask = (cpuHourNano: number) => ({
  cpuHourNano: `${cpuHourNano}`,
  memoryGibHourNano: '0',
  diskGibHourNano: '0',
  deviceHourNano: '0',
});
const gpu = (id: string, memoryGib: number) => ({
  id,
  vendor: 'nvidia' as const,
  model: 'rtx-4090',
  memoryBytes: memoryGib * gib,
  health: 'healthy' as const,
});
const cpus = (cpuMilli: number) => ({ cpuMilli, memoryBytes: gib, diskBytes: 0, shmBytes: 0 });
const nodesOf = (machine: Machine) =>
  machine.assignments().map(({ node }) => Number.parseInt(node.slice(5), 16));

describe('a task goes to', () => {
  it('the cheapest node, and then the next', () => {
    const machine = Machine.ready(0);
    machine.connect(0, { offer: offer({ ask: ask(300), slots: 1 }) });
    machine.connect(1, { offer: offer({ ask: ask(100), slots: 2 }) });
    machine.connect(2, { offer: offer({ ask: ask(200), slots: 1 }) });
    machine.submit(1, { tasks: 5 });
    expect(nodesOf(machine)).toEqual([1, 1, 2, 0]);
    expect(machine.task(1, 2).rateNano).toBe(200n);
  });

  it('the least loaded of equal ones, and then by id', () => {
    const machine = Machine.ready(3);
    machine.submit(1, { tasks: 7 });
    expect(nodesOf(machine)).toEqual([0, 1, 2, 0, 1, 2, 0]);
  });

  it('no node above its ceiling', () => {
    const machine = Machine.ready(1);
    machine.submit(1, { maxRateNano: 999_999n });
    expect(nodesOf(machine)).toEqual([]);
    machine.submit(2, { maxRateNano: 1_000_000n });
    expect(nodesOf(machine)).toEqual([0]);
  });

  it.each([
    ['slots', { slots: 1 }, {}],
    ['cpu', { cpuMilli: 1999 }, {}],
    ['memory', { memoryBytes: 2 * gib - 1 }, {}],
    ['disk', { diskBytes: 2 * gib - 1 }, {}],
    [
      'devices',
      { devices: [gpu('a', 24), { ...gpu('b', 24), health: 'suspect' as const }] },
      { devices: { count: 1 } },
    ],
  ])('no node without enough %s', (_name, change, wants) => {
    const machine = Machine.ready(1, change);
    machine.submit(1, {
      tasks: 2,
      resources: { cpuMilli: 1000, memoryBytes: gib, diskBytes: gib, shmBytes: 0, ...wants },
    });
    expect(nodesOf(machine)).toEqual([0]);
    expect(nodesOf(machine.check())).toEqual([]);
  });

  // ROOM-2
  it('devices that no other attempt has', () => {
    const machine = Machine.ready(1, { devices: [gpu('a', 80), gpu('b', 24), gpu('c', 24)] });
    machine.submit(1, { tasks: 3, resources: { ...cpus(100), devices: { count: 2 } } });
    expect(machine.assignments().map(({ devices }) => devices)).toEqual([['b', 'c']]);
    machine.submit(2, { resources: { ...cpus(100), devices: { count: 1 } } });
    expect(machine.assignments().map(({ devices }) => devices)).toEqual([['a']]);
    machine.restart().check();
    expect([...machine.node(0).deviceUse.keys()].sort()).toEqual(['a', 'b', 'c']);
  });

  it('shares of devices whose owner allows it, where the least is left beside them', () => {
    const shared = (id: string) => ({ ...gpu(id, 24), shareable: true });
    const machine = Machine.ready(1, { slots: 9, devices: [gpu('a', 24), shared('b'), shared('c')] });
    const share = (shareMilli: number) => ({ ...cpus(100), devices: { count: 1, shareMilli } });
    for (const [n, milli] of [300, 800, 200, 500, 400].entries())
      machine.submit(n + 1, { resources: share(milli) });
    expect(machine.assignments().map(({ devices }) => devices)).toEqual([['b'], ['c'], ['c'], ['b']]);
    machine.restart().check();
    expect([...machine.node(0).deviceUse]).toEqual([
      ['b', 800],
      ['c', 1000],
    ]);
    machine.submit(6, { tasks: 2, resources: { ...cpus(100), devices: { count: 1 } } });
    expect(machine.assignments().map(({ devices }) => devices)).toEqual([['a']]);
    machine.run(machine.finish(machine.task(2), 'completed'));
    machine.run(machine.finish(machine.task(3), 'completed'));
    expect(
      machine
        .check()
        .assignments()
        .map(({ devices }) => devices),
    ).toEqual([['c']]);
  });

  it('providers that the job wants, and root where the owner allows it', () => {
    const machine = Machine.ready(1);
    const other = 'acc_other' as AccountId;
    machine.connect(1, { provider: other, offer: offer({ allowRoot: true, ask: ask(9_000_000) }) });
    machine.submit(1, { providers: [other] });
    machine.submit(2, { excludeProviders: [provider] });
    machine.submit(3, { needsRoot: true });
    machine.submit(4, { providers: [other], excludeProviders: [other] });
    expect(nodesOf(machine)).toEqual([1, 1, 1]);
  });

  it('tasks that may run as long as the owner wants at least, each job by itself', () => {
    const machine = Machine.ready(1, { minRunMs: 600_000, slots: 8 });
    machine.submit(1, { runTimeoutMs: 599_000 });
    machine.submit(2, { runTimeoutMs: 600_000 });
    machine.submit(3, { runTimeoutMs: 599_000 });
    expect(machine.assignments().map(({ task }) => task)).toEqual([`${jobId(2)}.0`]);
    machine.connect(1, { offer: offer({ minRunMs: 1000, slots: 8 }) });
    expect(nodesOf(machine)).toEqual([1, 1]);
  });
});

describe('the queue', () => {
  it('is first come, first served, and nobody blocks who comes after', () => {
    const machine = Machine.ready(1, { slots: 2 });
    machine.submit(1, { resources: cpus(64_000) });
    machine.submit(2);
    machine.submit(3, { resources: cpus(500) });
    machine.submit(4);
    expect(machine.assignments().map(({ task }) => task)).toEqual([`${jobId(2)}.0`, `${jobId(3)}.0`]);
  });

  it('asks for a place only when something has changed', () => {
    const machine = Machine.ready(1, { slots: 1 });
    expect(needsPlacement(machine.state, machine.notes)).toBe(false);
    machine.submit(1, { tasks: 2 });
    expect(needsPlacement(machine.state, machine.notes)).toBe(true);
    machine.place();
    expect(needsPlacement(machine.state, machine.notes)).toBe(false);
    machine.run(machine.finish(machine.task(1, 0), 'completed'));
    expect(needsPlacement(machine.state, machine.notes)).toBe(true);
    machine.place();
    machine.submit(2, { resources: cpus(64_000) });
    machine.connect(1);
    expect(needsPlacement(machine.state, machine.notes)).toBe(true);
    expect(machine.place()).toEqual([]);
    expect(needsPlacement(machine.state, machine.notes)).toBe(false);
  });

  it('is placed in bounded parts: so many assignments', () => {
    const machine = Machine.ready(2, { slots: 1024, cpuMilli: 4_096_000 });
    machine.submit(1, { tasks: 1100, holdNano: 1n, resources: { ...cpus(1), memoryBytes: 1 } });
    expect(machine.place()).toHaveLength(placementLimits.assignments);
    expect(needsPlacement(machine.state, machine.notes)).toBe(true);
    expect(machine.place()).toHaveLength(1100 - placementLimits.assignments);
    expect(needsPlacement(machine.check().state, machine.check().notes)).toBe(false);
  });

  it('is placed in bounded parts: so many jobs, and the last comes to its turn', () => {
    const machine = Machine.ready(1);
    const count = placementLimits.jobs;
    for (let n = 0; n < count; n++)
      machine.submit(n, { resources: cpus(64_000), maxRateNano: BigInt(n) + 10n ** 9n });
    for (let n = 0; n < count; n++)
      machine.submit(count + n, { resources: cpus(64_000), maxRateNano: BigInt(n) });
    machine.submit(9999);
    expect(machine.place()).toEqual([]);
    expect(needsPlacement(machine.state, machine.notes)).toBe(true);
    expect(machine.place()).toEqual([]);
    expect(machine.place()).toHaveLength(1);
    expect(needsPlacement(machine.state, machine.notes)).toBe(false);
  });

  it('lets go of who waits too long for a first attempt, in bounded parts', () => {
    const machine = new Machine();
    machine.run({ type: 'account.open', at: machine.now, account: 'acc_consumer' as AccountId });
    machine.run({
      type: 'account.credit',
      at: machine.now,
      account: 'acc_consumer' as AccountId,
      amountNano: 5000n,
      ref: 'r',
    });
    machine.submit(1, { tasks: maxEndsPerTick + 5, holdNano: 2n, queueTimeoutMs: 1000 });
    expect(machine.wait(999).tick()).toEqual([]);
    expect(machine.wait(1).tick()).toHaveLength(maxEndsPerTick);
    expect(machine.available()).toBe(5000n - 10n);
    const events = machine.restart().check().tick();
    expect(events).toHaveLength(6);
    expect(events.at(-1)).toMatchObject({ type: 'job.settled', expired: maxEndsPerTick + 5, succeeded: 0 });
    expect([machine.available(), machine.state.queueClocks.size]).toEqual([5000n, 0]);
  });

  it('does not expire a task that was tried', () => {
    const machine = Machine.ready();
    machine.submit(1, { queueTimeoutMs: 1000, backoffInitialMs: 5000, backoffMaxMs: 5000 });
    machine.place();
    machine.run(machine.finish(machine.task(1), 'engine_lost'));
    expect(machine.wait(2000).tick(0)).toEqual([]);
    expect(machine.task(1).state).toBe('queued');
  });
});

it('tells why a job waits', () => {
  const machine = Machine.ready(0);
  machine.submit(1, { maxRateNano: 999_999n });
  const reason = () => waitingReason(machine.state, machine.notes, jobId(1))?.reason;
  expect(reason()).toBe('no_nodes');
  machine.connect(0, { offer: offer({ cpuMilli: 500 }) });
  expect(reason()).toBe('no_feasible_node');
  machine.connect(1);
  expect(waitingReason(machine.state, machine.notes, jobId(1))).toEqual({
    reason: 'price_too_low',
    message:
      '1 of 2 connected nodes could run a task; the cheapest asks 0.001 CAPA an hour, the ceiling is 0.000999999.',
  });
  machine.connect(1, { offer: offer({ slots: 1, ask: ask(10) }) });
  machine.submit(2, { maxRateNano: 10n });
  machine.place();
  expect(machine.task(1).node).toBe(nodeId(1));
  expect([reason(), waitingReason(machine.state, machine.notes, jobId(2))?.reason]).toEqual([
    undefined,
    'no_capacity',
  ]);
  machine.run(machine.finish(machine.task(1), 'engine_lost'));
  expect(reason()).toBe('backing_off');
  expect(waitingReason(machine.state, machine.notes, jobId(77))).toBeUndefined();
});

describe('a placement that does not happen', () => {
  it.each([
    ['looked at before', true],
    ['first looked at by it', false],
  ])('leaves the node for other shapes that was %s', (_, isKnown) => {
    const machine = Machine.ready(1, { slots: 1 });
    const second = { resources: cpus(2000) };
    if (isKnown) {
      machine.submit(3, second);
      machine.place();
      machine.run(machine.finish(machine.task(3), 'completed'));
    }
    machine.submit(1);
    machine.submit(2, second);
    // Nobody applies it, as where an invariant would break.
    expect(decide(machine.state, { type: 'place', at: machine.now }, machine.notes)).toMatchObject({
      ok: true,
      value: [{ type: 'attempt.assigned', task: machine.task(1).id }],
    });
    machine.cancel(1);
    expect(machine.assignments()).toMatchObject([{ task: machine.task(2).id, node: nodeId(0) }]);
  });
});

describe('a network larger than one look', () => {
  it.each([
    ['is as large as one', lookLimits.examinations],
    ['is larger', lookLimits.examinations + 500],
  ])(
    'that %s is looked at to its end before anybody is told that there is no room',
    (_, nodes) => {
      const machine = Machine.ready(0);
      for (let n = 0; n < nodes; n++) machine.connect(n, { offer: offer({ slots: 1, cpuMilli: 1000 }) });
      for (const [n, cpuMilli] of [2000, 3000, 1000].entries())
        machine.submit(n + 1, { resources: cpus(cpuMilli) });
      let looks = 0;
      let placed = 0;
      for (; needsPlacement(machine.state, machine.notes) && looks < 20; looks++)
        placed += machine.assignments().length;
      // Two shapes that fit nowhere take a look or two each, and whoever comes behind them has its turn.
      expect([placed, machine.task(3).state]).toEqual([1, 'assigned']);
      expect(looks).toBeGreaterThan(2);
      expect(looks).toBeLessThan(8);
    },
    60_000,
  );
});

describe('a task whose image was pulled lately goes where it is', () => {
  const wide = { cpuMilli: 64_000, memoryBytes: 64 * gib, slots: 64 };
  /** Image `i` runs on node 1, which asks so much where node 0 asks 1,000. */
  function pulled(price: number): Machine {
    const machine = Machine.ready(0);
    machine.connect(0, { offer: offer({ ...wide, ask: ask(1000) }), accepting: false });
    machine.connect(1, { offer: offer({ ...wide, ask: ask(price) }) });
    machine.submit(1, { image: 'i' });
    machine.place();
    machine.run(machine.progress(machine.task(1), 'running'));
    machine.connect(0, { offer: offer({ ...wide, ask: ask(1000) }) });
    return machine;
  }

  it.each([
    ['as dear', 1000, 'i', 1],
    ['a little dearer', 1049, 'i', 1],
    ['much dearer', 1051, 'i', 0],
    ['for another image', 1000, 'j', 0],
  ])('%s', (_, price, image, node) => {
    const machine = pulled(price);
    machine.submit(2, { image });
    expect(nodesOf(machine)).toEqual([node]);
  });

  it('all of its tasks, while there is room', () => {
    const machine = pulled(1000);
    machine.submit(2, { image: 'i', tasks: 70 });
    const placed = nodesOf(machine);
    expect(placed.filter((node) => node === 1)).toHaveLength(63);
    expect(placed.filter((node) => node === 0)).toHaveLength(7);
  });

  it('not where it failed, nor where the ceiling is below the price', () => {
    const machine = pulled(1040);
    machine.submit(2, { image: 'i', maxRateNano: 1020n });
    expect(nodesOf(machine)).toEqual([0]);
    machine.submit(3, { image: 'i', backoffInitialMs: 0 });
    expect(nodesOf(machine)).toEqual([1]);
    machine.run(machine.finish(machine.task(3), 'engine_lost'));
    machine.wait(1);
    expect(nodesOf(machine)).toEqual([0]);
  });
});
