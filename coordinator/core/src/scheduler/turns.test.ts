import type { AccountId } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JobTerms } from '../contract/command.ts';
import { gib, jobId, Machine, offer, terms } from '../testing/harness.ts';

const ada = 'acc_ada' as AccountId;
const bob = 'acc_bob' as AccountId;
const cpus = (cpuMilli: number) => ({ cpuMilli, memoryBytes: gib, diskBytes: 0, shmBytes: 0 });

/** Nodes of four slots, and two consumers with money. */
function network(nodes: number, slots = 4): Machine {
  const machine = Machine.ready(nodes, { slots });
  for (const account of [ada, bob]) {
    machine.run({ type: 'account.open', at: machine.now, account });
    machine.run({ type: 'account.credit', at: machine.now, account, amountNano: 10n ** 15n, ref: account });
  }
  return machine;
}

function submit(machine: Machine, n: number, consumer: AccountId, change: Partial<JobTerms> = {}): void {
  machine.run({ type: 'job.submit', at: machine.now, job: jobId(n), consumer, terms: terms(change) });
}

const placed = (machine: Machine) => machine.assignments().map(({ task }) => task);
const task = (n: number, index = 0) => taskIdOf(jobId(n), index);

describe('between consumers', () => {
  it('who uses less goes first, task by task, however much the other has submitted before', () => {
    const machine = network(1);
    submit(machine, 1, ada, { tasks: 100 });
    submit(machine, 2, bob, { tasks: 2 });
    expect(placed(machine)).toEqual([task(1, 0), task(2, 0), task(1, 1), task(2, 1)]);
    machine.run(machine.finish(machine.task(2, 0), 'completed'));
    submit(machine, 3, bob);
    expect(placed(machine.restart().check())).toEqual([task(3)]);
  });

  it('use is measured by the resource of which somebody has the most', () => {
    const gpu = { vendor: 'nvidia', model: 'rtx-4090', memoryBytes: 24 * gib, health: 'healthy' } as const;
    const machine = network(0);
    const devices = [
      { ...gpu, id: 'a' },
      { ...gpu, id: 'b' },
    ];
    machine.connect(0, { offer: offer({ slots: 5, devices }) });
    // A quarter of the processors against half of the devices.
    submit(machine, 1, ada, { resources: cpus(2000) });
    submit(machine, 2, bob, { resources: { ...cpus(100), devices: { count: 1 } } });
    expect(placed(machine)).toEqual([task(1), task(2)]);
    submit(machine, 3, bob, { resources: cpus(100) });
    submit(machine, 4, ada, { resources: cpus(100) });
    expect(placed(machine)).toEqual([task(4), task(3)]);
  });
});

describe('among the jobs of one consumer', () => {
  it('a point of priority counts as a minute of waiting', () => {
    const machine = network(1, 1);
    submit(machine, 1, ada);
    machine.wait(60_000);
    submit(machine, 2, ada, { priority: 1, resources: cpus(500) });
    submit(machine, 3, ada, { priority: 2 });
    submit(machine, 4, ada, { priority: -1, resources: cpus(500) });
    const order = [];
    for (let n = 0; n < 4; n++) {
      order.push(...placed(machine.restart().check()));
      for (const node of machine.state.nodes.values())
        for (const { task: id } of node.occupied.values()) {
          const running = machine.state.tasks.get(id);
          if (running !== undefined) machine.run(machine.finish(running, 'completed'));
        }
    }
    expect(order).toEqual([task(3), task(1), task(2), task(4)]);
  });
});

describe('a gang', () => {
  const gang = { gang: true, tasks: 4 } as const;

  it('starts together or not at all, and takes nothing from others while it waits', () => {
    const machine = network(1, 4);
    submit(machine, 1, ada);
    submit(machine, 2, ada, gang);
    submit(machine, 3, bob, { tasks: 2 });
    expect(placed(machine)).toEqual([task(1), task(3, 0), task(3, 1)]);
    machine.connect(1);
    expect(placed(machine.restart().check())).toEqual([0, 1, 2, 3].map((index) => task(2, index)));
  });

  // GANG-1
  it('is stopped as a whole when one fails, and starts again as a whole', () => {
    const machine = network(1, 8);
    submit(machine, 1, ada, gang);
    expect(placed(machine)).toHaveLength(4);
    machine.run(machine.finish(machine.task(1, 0), 'completed'));
    const events = machine.run(machine.finish(machine.task(1, 1), 'exit_nonzero', 0, 1));
    const ended = events.filter(({ type }) => type === 'attempt.ended');
    expect(ended).toMatchObject([
      { task: task(1, 1), reason: 'exit_nonzero', released: true, then: { budget: 'own' } },
      { task: task(1, 2), reason: 'gang_stopped', released: false, then: { budget: 'free' } },
      { task: task(1, 3), reason: 'gang_stopped', released: false, then: { budget: 'free' } },
    ]);
    machine.connect(1);
    expect(placed(machine.wait(8000).restart().check())).toEqual([task(1, 1), task(1, 2), task(1, 3)]);
    machine.run(machine.finish(machine.task(1, 3), 'exit_nonzero', 0, 1));
    // The budget is that of the gang, not of each task.
    expect(machine.state.jobs.get(jobId(1))).toMatchObject({ succeeded: 1, failed: 3, live: 0 });
  });

  it('is stopped as a whole when a node is lost that had two of it', () => {
    const machine = network(2, 2);
    submit(machine, 1, ada, gang);
    expect(placed(machine)).toHaveLength(4);
    machine.connect(1);
    const { leaseMs, lostMarginMs } = machine.state.ruleset;
    machine.wait(leaseMs + lostMarginMs);
    machine.tick(1);
    const job = machine.check().state.jobs.get(jobId(1));
    expect(job?.tasks.map(({ state }) => state)).toEqual(['queued', 'queued', 'queued', 'queued']);
  });
});

it('places gangs all or nothing, whatever comes and goes', () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant('submit' as const),
      gang: fc.boolean(),
      tasks: fc.integer({ min: 2, max: 5 }),
    }),
    fc.record({ kind: fc.constant('end' as const), pick: fc.nat(20), ok: fc.boolean() }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 5000 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const machine = network(3, 3);
      let jobs = 0;
      for (const each of steps) {
        if (each.kind === 'submit') {
          jobs += 1;
          const consumer = jobs % 2 === 0 ? ada : bob;
          submit(machine, jobs, consumer, { tasks: each.tasks, ...(each.gang ? { gang: true } : {}) });
        } else if (each.kind === 'wait') machine.wait(each.ms);
        else {
          const active = [...machine.state.tasks.values()].filter(({ node }) => node !== undefined);
          const ending = active[each.pick % Math.max(1, active.length)];
          if (ending !== undefined)
            machine.run(machine.finish(ending, each.ok ? 'completed' : 'exit_nonzero', 0, 1));
        }
        machine.place();
        machine.check();
        for (const job of machine.state.jobs.values()) {
          if (job.terms.gang !== true) continue;
          const live = job.tasks.filter(({ state }) => !['succeeded', 'failed'].includes(state));
          const active = live.filter(({ state }) => state !== 'queued');
          expect([0, live.length]).toContain(active.length);
        }
      }
    }),
    { numRuns: 150 },
  );
});
