import type { AccountId } from '@capacloud/protocol/ids';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JobTerms } from '../contract/command.ts';
import { defaultRuleset } from '../contract/ruleset.ts';
import { waitingReason } from '../explain/waiting-reason.ts';
import type { Task } from '../slices/attempt/record.ts';
import { gib, jobId, Machine, terms } from '../testing/harness.ts';

const minute = 60_000;
const rules = {
  ...defaultRuleset,
  reserveAfterMs: 5 * minute,
  reserveMaxMs: 60 * minute,
  // Nobody falls silent here, and stages have no clocks that matter.
  unknownAfterMs: 1e12,
};
const neighbour = 'acc_neighbour' as AccountId;
const cpus = (cpuMilli: number): JobTerms['resources'] => ({
  cpuMilli,
  memoryBytes: gib,
  diskBytes: 0,
  shmBytes: 0,
});
const patient = { queueTimeoutMs: 1e9, stopGraceMs: 0 };
/** Half a node, for ten minutes at most. */
const small = { ...patient, resources: cpus(4000), runTimeoutMs: 10 * minute };
const whole = { ...patient, resources: cpus(8000), runTimeoutMs: 10 * minute };

/** A network on which somebody else always has more small tasks than there is room for. */
class Busy {
  readonly machine: Machine;
  readonly #ends = new Map<Task['id'], number>();
  #jobs = 100;
  readonly #runMs: () => number;

  constructor(nodes: number, runMs: () => number) {
    this.machine = Machine.ready(nodes, {}, rules);
    this.#runMs = runMs;
    const { now } = this.machine;
    this.machine.run({ type: 'account.open', at: now, account: neighbour });
    this.machine.run({
      type: 'account.credit',
      at: now,
      account: neighbour,
      amountNano: 10n ** 15n,
      ref: 'b',
    });
    this.minutes(20);
  }

  /** Until `isDone`, at most so long; the minutes that passed. */
  minutes(most: number, isDone: () => boolean = () => false): number {
    const { machine } = this;
    for (let n = 0; n < most; n++) {
      if (isDone()) return n;
      while (machine.state.waiting.get(neighbour) === undefined)
        machine.run({
          type: 'job.submit',
          at: machine.now,
          job: jobId(this.#jobs++),
          consumer: neighbour,
          terms: terms({ ...small, tasks: 20 }),
        });
      machine.tick();
      this.#begin();
      machine.wait(minute);
      this.#end();
    }
    return most;
  }

  #begin(): void {
    const { machine } = this;
    for (const task of machine.state.tasks.values()) {
      if (task.state !== 'assigned') continue;
      machine.run(machine.progress(task, 'running'));
      this.#ends.set(task.id, machine.now + this.#runMs());
    }
  }

  #end(): void {
    const { machine } = this;
    for (const [id, endsAt] of this.#ends) {
      if (endsAt > machine.now) continue;
      this.#ends.delete(id);
      const task = machine.state.tasks.get(id);
      if (task !== undefined) machine.run(machine.finish(task, 'completed'));
    }
  }
}

const hasBegun = (busy: Busy) => () => {
  const job = busy.machine.state.jobs.get(jobId(1));
  return job === undefined || job.tasks.every(({ state }) => state === 'running' || state === 'succeeded');
};
/** The two halves of a node are never free at the same time. */
function staggered(nodes: number): Busy {
  let begun = 0;
  return new Busy(nodes, () => (begun++ < nodes ? 5 : 10) * minute);
}
/** Waiting until nodes are kept, then until what runs there is over by its clock. */
const boundMinutes = 5 + 10 + 1 + 2;
/** Nodes may be kept for the neighbour first, which waits as well: until what runs there is over by its clock. */
const turnMinutes = 10 + 1;

describe('a task that needs much at once', () => {
  it('waits for ever without reservations', () => {
    const busy = staggered(1);
    const { reserveAfterMs: _, ...without } = rules;
    busy.machine.run({ type: 'ruleset.change', at: busy.machine.now, ruleset: without });
    busy.machine.submit(1, whole);
    expect(busy.minutes(300, hasBegun(busy))).toBe(300);
  });

  it('a whole node: gets one in time, and others go on elsewhere', () => {
    const busy = staggered(3);
    busy.machine.submit(1, whole);
    busy.minutes(7);
    expect(busy.machine.notes.reservations.current?.job.id).toBe(jobId(1));
    expect(waitingReason(busy.machine.state, busy.machine.notes, jobId(1))?.message).toContain(
      'Kept free for the job',
    );
    expect([...busy.machine.state.nodes.values()].filter(({ occupied }) => occupied.size === 2)).toHaveLength(
      2,
    );
    expect(busy.minutes(boundMinutes, hasBegun(busy))).toBeLessThan(boundMinutes - 7);
    busy.minutes(2);
    expect(busy.machine.notes.reservations.current).toBeUndefined();
    const { notes, state } = busy.machine;
    expect([...state.nodes.values()].every((node) => notes.keepings.of(node) === undefined)).toBe(true);
  });

  it('waits for its turn and for the longest clock at most, as one or as a gang', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 7, maxLength: 7 }),
        (nodes, wanted, lengths) => {
          let n = 0;
          const busy = new Busy(nodes, () => (lengths[n++ % lengths.length] ?? 1) * minute);
          const tasks = Math.min(nodes, wanted);
          busy.machine.submit(1, tasks === 1 ? whole : { ...whole, tasks, gang: true });
          const most = turnMinutes + boundMinutes;
          expect(busy.minutes(most, hasBegun(busy))).toBeLessThan(most);
          busy.machine.check();
        },
      ),
      {
        numRuns: 60,
        // The neighbour has its turn first.
        examples: [
          [1, 1, [10, 8, 8, 8, 10, 8, 2]],
          [1, 1, [8, 4, 9, 9, 3, 3, 10]],
        ],
      },
    );
  });
});

describe('a reservation', () => {
  it('lets run beside it what is over in time', () => {
    const machine = Machine.ready(1, {}, rules);
    machine.submit(1, { ...small, runTimeoutMs: 50 * minute });
    machine.place();
    machine.run(machine.progress(machine.task(1), 'running'));
    machine.submit(2, whole);
    machine.wait(5 * minute).tick();
    expect(machine.notes.keepings.of(machine.node(0))?.job).toBe(jobId(2));
    machine.submit(3, { ...small, runTimeoutMs: 60 * minute });
    expect(machine.assignments()).toEqual([]);
    machine.submit(4, { ...small, runTimeoutMs: 5 * minute });
    expect(machine.assignments().map(({ task }) => task)).toEqual([machine.task(4).id]);
  });

  it.each([
    ['no node will have room in time', { runTimeoutMs: 90 * minute }, whole],
    ['no node is large enough', small, { ...whole, resources: cpus(9000) }],
    ['no node is cheap enough', small, { ...whole, maxRateNano: 1n }],
  ])('is not made where %s', (_, running, wanted) => {
    const machine = Machine.ready(1, {}, rules);
    machine.submit(1, { ...small, ...running });
    machine.place();
    machine.run(machine.progress(machine.task(1), 'running'));
    machine.submit(2, wanted);
    machine.wait(6 * minute).tick();
    expect(machine.notes.reservations.current).toBeUndefined();
  });

  it('ends with its job, and when its node takes no more work', () => {
    const machine = Machine.ready(1, {}, rules);
    machine.submit(1, small);
    machine.place();
    machine.run(machine.progress(machine.task(1), 'running'));
    machine.submit(2, whole);
    machine.wait(5 * minute).tick();
    machine.connect(0, { accepting: false, held: [[machine.task(1).id, 1]] });
    machine.wait(1000).tick();
    expect(machine.notes.reservations.current).toBeUndefined();
    machine.connect(0, { held: [[machine.task(1).id, 1]] });
    machine.wait(5 * minute).tick();
    expect(machine.notes.keepings.of(machine.node(0))).toBeDefined();
    machine.cancel(2);
    machine.wait(1000).tick();
    expect(machine.notes.keepings.of(machine.node(0))).toBeUndefined();
  });

  it('comes to one after the other: those who cannot be helped do not stand in the way', () => {
    const machine = Machine.ready(1, {}, rules);
    machine.submit(1, { ...small, runTimeoutMs: 30 * minute });
    machine.place();
    machine.run(machine.progress(machine.task(1), 'running'));
    for (let n = 2; n < 6; n++) machine.submit(n, { ...whole, resources: cpus(9000 + n) });
    machine.wait(1).submit(6, whole);
    machine.wait(5 * minute);
    for (let n = 0; n < 5; n++) machine.wait(1000).tick();
    expect(machine.notes.reservations.current?.job.id).toBe(jobId(6));
  });
});
