import type { DeviceRequest } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JobTerms } from '../../contract/command.ts';
import { obstaclesOf } from '../../explain/obstacles.ts';
import { apply, decide } from '../../machine.ts';
import { createState, type State } from '../../state.ts';
import { gib, jobId, Machine, offer, terms } from '../../testing/harness.ts';
import { Dice, ruleset } from '../../testing/random-commands.ts';
import { ScheduleNotes } from '../schedule-notes.ts';
import { Look } from './look.ts';
import { Wants } from './node-table.ts';
import { foot } from './price-ladder.ts';
import { ShapeRoom } from './shape-room.ts';

const requests: readonly (DeviceRequest | undefined)[] = [
  undefined,
  { count: 1 },
  { count: 2 },
  { count: 1, shareMilli: 300 },
  { count: 1, shareMilli: 1000 },
  { count: 1, models: ['rtx-3090'] },
];
const shapes = requests.map((devices) =>
  terms({
    resources: { cpuMilli: 500, memoryBytes: gib, diskBytes: 0, shmBytes: 0, ...(devices && { devices }) },
    maxRateNano: 10n ** 15n,
  }),
);

/** Whether every node is found that has room, and none is thought to have room that has not. */
function check(state: State, notes: ScheduleNotes, shape: JobTerms): number {
  notes.follow(state);
  const { table } = notes;
  const room = new ShapeRoom(shape);
  const wants = new Wants(shape, room.kinds);
  const look = new Look(new Set(), notes);
  const found = new Set<number>();
  const climb = foot();
  const ladder = table.ladderOf(wants);
  for (let row = ladder.next(climb); row !== undefined; row = ladder.next(climb)) found.add(row);
  let withRoom = 0;
  for (const node of state.nodes.values()) {
    expect(table.nodes[node.row]).toBe(node);
    const isFree = obstaclesOf(node, shape, notes.keepings).every((obstacle) => obstacle === 'node_kept');
    const isOpenNode = state.openNodes.has(node);
    if (isOpenNode) expect(room.has(node, look)).toBe(isFree);
    if (!isFree) continue;
    withRoom += 1;
    expect([found.has(node.row), table.mayTake(node.row, wants)]).toEqual([true, true]);
  }
  return withRoom;
}

it('finds every node that has room, whatever has come and gone', () => {
  let withRoom = 0;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
      const dice = new Dice(seed);
      const state = createState();
      const notes = new ScheduleNotes();
      let at = 1_700_000_000_000;
      const opening = decide(state, { type: 'log.open', at, origin: 'property', ruleset }, notes);
      if (opening.ok) for (const event of opening.value) apply(state, event);
      for (let step = 0; step < 200; step++) {
        at += dice.pick([0, 500, 4000]);
        const result = decide(state, dice.command(state, at), notes);
        if (!result.ok) continue;
        for (const event of result.value) apply(state, event);
        if (step % 10 === 0) for (const shape of shapes) withRoom += check(state, notes, shape);
      }
    }),
    { numRuns: 30 },
  );
  expect(withRoom).toBeGreaterThan(200);
});

const ask = (deviceHourNano: number) => ({
  cpuHourNano: '10',
  memoryGibHourNano: '0',
  diskGibHourNano: '0',
  deviceHourNano: `${deviceHourNano}`,
});
const gpu = { vendor: 'nvidia', model: 't4', memoryBytes: 16 * gib, health: 'healthy' } as const;
const oneGpu = { cpuMilli: 1000, memoryBytes: gib, diskBytes: 0, shmBytes: 0, devices: { count: 1 } };
const price = (n: number) => 1_000_000 + ((n * 7919) % 1000) * 50_000;

it('gives a shape that comes once about the cheapest of many nodes, and not some of them', () => {
  const machine = Machine.ready(0);
  const cheapest = Array.from({ length: 1000 }, (_, n) => price(n)).sort((a, b) => a - b);
  for (let n = 0; n < 1000; n++)
    machine.connect(n, { offer: offer({ devices: [{ ...gpu, id: `GPU-${n}` }], ask: ask(price(n)) }) });
  for (let n = 0; n < 100; n++) {
    machine.submit(n + 1, { resources: { ...oneGpu, cpuMilli: 500 + n }, maxRateNano: 10n ** 12n });
    machine.place();
    expect(Number(machine.task(n + 1).rateNano)).toBeLessThan((cheapest[n] ?? 0) * 1.1 + 100);
  }
});

it('looks among the cheapest for interruptible tasks as their discounts have it', () => {
  const machine = Machine.ready(0);
  for (let n = 0; n < 300; n++) {
    const discount = n === 250 ? { interruptibleDiscountPercent: 60 } : {};
    const device = { ...gpu, id: `GPU-${n}` };
    machine.connect(n, {
      offer: offer({ devices: [device], ask: ask(1_000_000 + (n === 250 ? 800_000 : n)), ...discount }),
    });
  }
  machine.submit(1, { resources: oneGpu, maxRateNano: 10n ** 12n, interruptible: true });
  machine.submit(2, { resources: oneGpu, maxRateNano: 10n ** 12n });
  const [first, second] = machine.assignments();
  expect([first?.node, second?.node]).toEqual([machine.node(250).id, machine.node(0).id]);
});

it('gives everybody a turn where all ask the same', () => {
  const machine = Machine.ready(0);
  for (let n = 0; n < 40; n++) machine.connect(n, { offer: offer({ ask: ask(5) }) });
  const chosen = new Set<string>();
  for (let n = 1; n <= 40; n++) {
    // Each is another shape, and the only one that runs.
    machine.submit(n, { runTimeoutMs: 600_000 + n });
    for (const { node } of machine.assignments()) chosen.add(node);
    machine.run(machine.finish(machine.task(n), 'completed'));
  }
  expect(chosen.size).toBeGreaterThan(30);
});

const plain = { cpuMilli: 1000, memoryBytes: gib, diskBytes: 0, shmBytes: 0 };

describe('tasks of one job', () => {
  const [few, many] = ['acc_few', 'acc_many'] as const;
  /** The first owner has one node, and the other five that ask so much. */
  function network(price: number): Machine {
    const machine = Machine.ready(0);
    const roomy = { cpuMilli: 64_000, memoryBytes: 64 * gib, slots: 64 };
    for (let n = 0; n < 6; n++) {
      const asked = { ...ask(0), cpuHourNano: `${n === 0 ? 1000 : price}` };
      machine.connect(n, {
        provider: (n === 0 ? few : many) as AccountId,
        offer: offer({ ...roomy, ask: asked }),
      });
    }
    return machine;
  }
  const tasksOf = (machine: Machine, owner: string): number =>
    machine.assignments().filter(({ node }) => machine.state.nodes.get(node)?.provider === owner).length;

  it.each([
    ['as much', 1000, 10],
    ['hardly more', 1019, 10],
    ['clearly more', 1021, 20],
    ['less', 980, 0],
  ])('are spread over owners of whom one asks %s', (_, price, ofFirst) => {
    const machine = network(price);
    machine.submit(1, { tasks: 20, resources: plain });
    expect(tasksOf(machine, few)).toBe(ofFirst);
  });

  it('are spread also over what was given away before, and over owners that nodes change', () => {
    const machine = network(1000);
    const job = { tasks: 4, resources: plain };
    machine.submit(1, { ...job, tasks: 2 });
    expect(tasksOf(machine, few)).toBe(1);
    machine.submit(2, job);
    expect(tasksOf(machine, few)).toBe(2);
    const held = [...machine.node(0).occupied.values()].map((each) => [each.task, each.attempt] as const);
    machine.connect(0, { provider: many as AccountId, held: held.map(([id, attempt]) => [id, attempt]) });
    machine.check();
    expect([...(machine.state.jobs.get(jobId(2))?.owners ?? [])]).toEqual([[many, 4]]);
  });
});
