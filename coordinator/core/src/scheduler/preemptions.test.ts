import type { TaskId } from '@capacloud/protocol/ids';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JobTerms } from '../contract/command.ts';
import type { Event } from '../contract/event.ts';
import { defaultRuleset } from '../contract/ruleset.ts';
import { waitingReason } from '../explain/waiting-reason.ts';
import { maxStopsOwed } from '../slices/account/stops-owed.ts';
import { rateOn } from '../slices/node/asks.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import { consumer, gib, jobId, Machine, nodeId, offer, only } from '../testing/harness.ts';
import { Dice } from '../testing/random-commands.ts';

/** Nobody falls silent here. */
const rules = { ...defaultRuleset, unknownAfterMs: 1e12 };
const second = 1000;
const cpus = (cpuMilli: number): JobTerms['resources'] => ({
  cpuMilli,
  memoryBytes: gib,
  diskBytes: 0,
  shmBytes: 0,
});
const discount = { interruptibleDiscountPercent: 40 };
const cheap = { interruptible: true, resources: cpus(4000) } as const;
const full = { resources: cpus(4000) };

/** Nodes of 8 processors on which interruptible tasks of 4 run, the one of a lower job the longer. */
function busy(nodes: number, change: Partial<JobTerms> = {}): Machine {
  const machine = Machine.ready(nodes, discount, rules);
  for (let n = 0; n < 2 * nodes; n++) {
    machine.submit(n, { ...cheap, ...change });
    machine.place();
    machine.run(machine.progress(machine.task(n), 'running'));
    machine.wait(second);
  }
  return machine;
}

function stopped(events: readonly Event[]): readonly string[] {
  return only(events, 'attempt.ended').flatMap(({ reason, task }) => (reason === 'preempted' ? [task] : []));
}

/** A look finds no room, and a tick later it is too long. */
function waited(machine: Machine): readonly Event[] {
  machine.tick();
  return machine.wait(31 * second).tick();
}

/** The node has stopped what it was told to stop. */
function letGo(machine: Machine, n: number): void {
  const node = machine.node(n);
  for (const { attempt, task: id } of node.occupied.values()) {
    const task = machine.state.tasks.get(id);
    if (task === undefined || (task.attempt === attempt && task.node === node.id)) continue;
    machine.run({ ...machine.finish(task, 'stopped'), node: node.id, attempt } as never);
  }
}

describe('interruptible work', () => {
  it('costs less where the owner offers that, and is a task like others elsewhere', () => {
    const machine = Machine.ready(0);
    machine.connect(0);
    machine.submit(1, { ...cheap, maxRateNano: 2_400_000n });
    expect(machine.assignments()).toEqual([]);
    machine.connect(1, { offer: { ...machine.node(0).offer, ...discount } });
    expect(machine.assignments()).toMatchObject([
      { node: nodeId(1), rateNano: '2400000', interruptible: true },
    ]);
    machine.submit(2, cheap);
    machine.submit(3, full);
    machine.submit(4, full);
    const sold = machine
      .assignments()
      .map(({ interruptible, node, rateNano }) => [node, rateNano, interruptible]);
    expect(sold).toEqual([
      [nodeId(1), '2400000', true],
      [nodeId(0), '4000000', undefined],
      [nodeId(0), '4000000', undefined],
    ]);
  });

  it('makes way for who pays in full and has waited, with its grace period', () => {
    const machine = busy(1);
    machine.submit(10, full);
    machine.tick();
    machine.wait(29 * second);
    expect(stopped(machine.tick())).toEqual([]);
    machine.wait(2 * second);
    // The one that began last loses the least.
    expect(stopped(machine.tick())).toEqual([machine.task(1).id]);
    expect(machine.log.at(-1)).toMatchObject({ released: false, then: { kind: 'requeued', budget: 'free' } });
    expect(waitingReason(machine.state, machine.notes, jobId(10))?.message).toContain(
      'Kept free for the job',
    );
    machine.wait(5 * second);
    expect(machine.tick()).toEqual([]);
    letGo(machine, 0);
    expect(machine.assignments()).toMatchObject([{ task: machine.task(10).id, rateNano: '4000000' }]);
    machine.tick();
    machine.tick();
    expect(machine.notes.keepings.of(machine.node(0))).toBeUndefined();
    machine.run(machine.finish(machine.task(10), 'completed'));
    expect(machine.assignments()).toMatchObject([
      { task: machine.task(1).id, attempt: 2, interruptible: true },
    ]);
  });

  it('is not given the room again that is being made, nor is anybody else', () => {
    const machine = busy(1);
    machine.submit(10, full);
    waited(machine);
    machine.submit(11, { ...full, priority: 100 });
    machine.submit(12, { ...cheap, priority: 100 });
    machine.wait(9 * second);
    letGo(machine, 0);
    expect(machine.assignments().map(({ task }) => task)).toEqual([machine.task(10).id]);
  });

  it.each([
    ['is interruptible itself', { ...cheap }],
    ['pays less than those who would have to go', { resources: { ...cpus(1000), memoryBytes: 31 * gib } }],
    ['has a lower ceiling than is asked', { ...full, maxRateNano: 3_999_999n }],
    ['cannot run there', { ...full, regions: ['eu-central'] }],
  ])('does not make way for what %s', (_, change) => {
    const machine = busy(1);
    machine.submit(10, change);
    for (let n = 0; n < 4; n++) expect(stopped(waited(machine))).toEqual([]);
  });

  it('does not make way where there is room, nor by older rules', () => {
    const { preemptAfterMs: _, ...older } = rules;
    const machine = busy(1);
    machine.run({ type: 'ruleset.change', at: machine.now, ruleset: older });
    machine.submit(10, full);
    expect(stopped(waited(machine))).toEqual([]);
    machine.run({ type: 'ruleset.change', at: machine.now, ruleset: rules });
    machine.connect(1);
    expect(stopped(machine.tick())).toEqual([]);
  });

  // PREEMPT-1
  it('leaves alone what paid in full', () => {
    const machine = Machine.ready(1, {}, rules);
    for (const n of [0, 1]) machine.submit(n, cheap);
    machine.place();
    machine.submit(10, full);
    expect(stopped(waited(machine))).toEqual([]);
  });

  it('as few go as will do, of those that began last', () => {
    const machine = Machine.ready(1, { ...discount, slots: 8 }, rules);
    for (const [n, cpuMilli] of [3000, 1000, 3000, 1000].entries()) {
      machine.submit(n, { interruptible: true, resources: cpus(cpuMilli) });
      machine.place();
      machine.wait(second);
    }
    machine.submit(10, { resources: cpus(3000) });
    expect(stopped(waited(machine))).toEqual([machine.task(2).id]);
  });

  it('makes way for a gang as a whole, or not at all', () => {
    const machine = busy(2);
    machine.submit(10, { resources: cpus(8000), tasks: 3, gang: true });
    expect(stopped(waited(machine))).toEqual([]);
    machine.cancel(10);
    machine.submit(11, { resources: cpus(8000), tasks: 2, gang: true });
    expect(stopped(waited(machine))).toHaveLength(4);
    letGo(machine, 0);
    expect(machine.assignments()).toEqual([]);
    machine.wait(5 * second).tick();
    letGo(machine, 1);
    expect(machine.assignments().map(({ task }) => task)).toEqual([
      machine.task(11).id,
      machine.task(11, 1).id,
    ]);
  });

  it('gets its room back when who it was made for is gone', () => {
    const machine = busy(1);
    machine.submit(10, full);
    waited(machine);
    machine.cancel(10);
    letGo(machine, 0);
    machine.wait(10 * second);
    expect(only(machine.tick(), 'attempt.assigned')).toMatchObject([{ task: machine.task(1).id }]);
  });

  it.each([
    ['goes on', false],
    ['is restarted each time', true],
  ])('makes way 64 times for a consumer without a success, where the coordinator %s', (_, restarts) => {
    const machine = busy(3);
    for (let n = 0; n < 64; n++) {
      if (restarts) machine.restart();
      machine.submit(100 + n, { ...full, maxAttempts: 1 });
      const events = waited(machine);
      expect(stopped(events)).toHaveLength(1);
      expect(only(events, 'attempt.ended')).toMatchObject([{ preemptedFor: consumer }]);
      for (const node of [0, 1, 2]) letGo(machine, node);
      machine.place();
      machine.run(machine.finish(machine.task(100 + n), 'exit_nonzero', 1, 1));
      machine.wait(10 * second).tick();
      machine.tick();
    }
    if (restarts) machine.restart();
    machine.check();
    machine.submit(200, { ...full, queueTimeoutMs: 1e9 });
    expect(stopped(waited(machine))).toEqual([]);
    const running = [...machine.state.tasks.values()].find(({ state }) => state === 'assigned');
    if (running === undefined) throw new Error('nothing runs');
    machine.run(machine.finish(running, 'completed'));
    machine.submit(201, full);
    expect(stopped(waited(machine))).toHaveLength(1);
    machine.submit(202, full);
    expect(stopped(waited(machine))).toEqual([]);
  });

  // PREEMPT-2
  it('stops no more for a job of many tasks than its consumer may have stopped, and of gangs the rest counts', () => {
    const machine = busy(3);
    const account = machine.state.accounts.get(consumer);
    if (account === undefined) throw new Error('no account');
    account.stopsOwed = maxStopsOwed - 2;
    machine.submit(10, { ...full, tasks: 5 });
    expect(stopped(waited(machine))).toHaveLength(2);
    expect(account.stopsOwed).toBe(maxStopsOwed);
    machine.check().restart();
    expect(stopped(waited(machine))).toEqual([]);
    const pairs = busy(0);
    pairs.connect(0, { offer: offer({ ...discount }) });
    pairs.submit(0, { ...cheap, tasks: 2, gang: true });
    pairs.place();
    pairs.submit(1, full);
    const owing = pairs.state.accounts.get(consumer);
    if (owing === undefined) throw new Error('no account');
    owing.stopsOwed = maxStopsOwed - 1;
    expect(stopped(waited(pairs))).toEqual([]);
    owing.stopsOwed = maxStopsOwed - 2;
    const events = only(waited(pairs), 'attempt.ended');
    expect(events.map(({ preemptedFor, reason }) => [reason, preemptedFor])).toEqual([
      ['preempted', consumer],
      ['gang_stopped', consumer],
    ]);
    expect(owing.stopsOwed).toBe(maxStopsOwed);
  });

  it('is stopped once for each task that comes, however many wait', () => {
    const machine = busy(3);
    machine.submit(10, { ...full, tasks: 2 });
    expect(stopped(waited(machine))).toHaveLength(2);
    for (let n = 0; n < 3; n++) expect(stopped(machine.wait(10 * second).tick())).toEqual([]);
  });
});

/** Jobs of all kinds come to a small network, run for a while and end. */
class Traffic {
  readonly machine: Machine;
  readonly #dice: Dice;
  #jobs = 0;

  constructor(seed: number) {
    this.#dice = new Dice(seed);
    this.machine = Machine.ready(0, {}, rules);
    for (let n = 0; n < 4; n++)
      this.machine.connect(n, { offer: offer({ slots: 8, ...(n < 3 ? discount : {}) }) });
  }

  /** What a tick does after a while. */
  step(): readonly Event[] {
    const { machine } = this;
    const dice = this.#dice;
    if (dice.chance(60)) {
      const gang = dice.chance(20) ? ({ gang: true, tasks: 2 + dice.below(2) } as const) : {};
      machine.submit(this.#jobs++, {
        tasks: 1 + dice.below(4),
        ...gang,
        ...(dice.chance(60) ? { interruptible: true } : {}),
        resources: cpus(dice.pick([1000, 2000, 4000, 8000])),
      });
    }
    machine.place();
    for (const task of machine.state.tasks.values())
      if (task.state === 'assigned') machine.run(machine.progress(task, 'running'));
    for (let n = 0; n < 4; n++) if (dice.chance(50)) letGo(machine, n);
    const running = [...machine.state.tasks.values()].filter(({ state }) => state === 'running');
    if (running.length > 0 && dice.chance(40)) machine.run(machine.finish(dice.pick(running), 'completed'));
    machine.place();
    return machine.wait(5 * second + dice.below(30) * second).tick();
  }
}

it('stops only what was sold as interruptible, for who pays in full and more, and gives that the room', () => {
  const kinds = new Set<string>();
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
      const traffic = new Traffic(seed);
      const { machine } = traffic;
      for (let n = 0; n < 60; n++) {
        const before = new Map([...machine.state.tasks].map(([id, task]) => [id, { ...task }]));
        const paidNano = new Map<NodeRecord, bigint>();
        for (const id of stopped(traffic.step())) {
          const task = before.get(id as TaskId) ?? machine.state.tasks.get(id as TaskId);
          const assigned = only(machine.log, 'attempt.assigned').findLast((event) => event.task === id);
          expect(assigned?.interruptible).toBe(true);
          const node = machine.state.nodes.get(assigned?.node ?? nodeId(9));
          if (node === undefined || task === undefined) throw new Error('stopped nowhere');
          // Of a gang all stop, wherever they are.
          if (machine.notes.keepings.of(node) !== undefined)
            paidNano.set(node, (paidNano.get(node) ?? 0n) + BigInt(assigned?.rateNano ?? 0));
        }
        for (const [node, nano] of paidNano) {
          const job = machine.state.jobs.get(machine.notes.keepings.of(node)?.job ?? jobId(999));
          if (job === undefined) throw new Error('stopped for nobody');
          expect(job.terms.interruptible).toBeUndefined();
          expect(nano).toBeLessThanOrEqual(rateOn(node, job.terms) * BigInt(job.tasks.length));
          kinds.add(job.terms.gang === true ? 'for a gang' : 'for one');
        }
        machine.check();
      }
    }),
    { numRuns: 60 },
  );
  expect([...kinds].sort()).toEqual(['for a gang', 'for one']);
});

it('a restart forgets nothing about who may be stopped', () => {
  const machine = busy(1).restart();
  machine.submit(10, full);
  expect(stopped(waited(machine))).toEqual([machine.task(1).id]);
});
