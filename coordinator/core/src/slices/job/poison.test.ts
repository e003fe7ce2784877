import type { Device } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import { describe, expect, it } from 'vitest';
import type { JobTerms } from '../../contract/command.ts';
import { encodeState } from '../../snapshot.ts';
import { consumer, gib, jobId, Machine, nodeId, offer, only, terms, types } from '../../testing/harness.ts';

const device = (health: Device['health']): Device => ({
  id: 'GPU-0',
  vendor: 'nvidia',
  model: 'rtx-4090',
  memoryBytes: 24 * gib,
  health,
  shareable: true,
});
const withDevice = (health: Device['health']) => offer({ devices: [device(health)] });
const owner = (n: number) => `acc_owner${n}` as AccountId;
const resources = { ...terms().resources, devices: { count: 1 } };
const bad: Partial<JobTerms> = { image: 'bad', resources, tasks: 10, providerLost: 100 };

/** So many nodes of so many owners, each with a GPU. */
function network(nodes: number, ownerOf = owner): Machine {
  const machine = Machine.ready(0);
  for (let n = 0; n < nodes; n++) machine.connect(n, { offer: withDevice('healthy'), provider: ownerOf(n) });
  return machine;
}

/** Everything that is assigned runs. */
function start(machine: Machine): Machine {
  machine.place();
  machine.wait(1);
  for (const task of machine.state.tasks.values())
    if (task.state === 'assigned') machine.run(machine.progress(task, 'running'));
  return machine.wait(1);
}

function setHealth(machine: Machine, n: number, health: Device['health']) {
  const at = machine.now;
  const change = { accepting: true, at, node: nodeId(n), offer: withDevice(health) };
  return machine.wait(1).run({ type: 'node.change_offer', ...change });
}

function poisoned(machine: Machine, ...nodes: readonly number[]) {
  return only(
    nodes.flatMap((n) => [...setHealth(machine, n, 'quarantined')]),
    'image.poisoned',
  );
}

describe('an image under which healthy devices of three providers are quarantined', () => {
  it('is stopped everywhere, and refused until the time is over', () => {
    const machine = network(5);
    machine.submit(1, bad);
    machine.submit(2, { ...bad, image: 'good' });
    start(machine);
    expect(poisoned(machine, 0, 1)).toEqual([]);
    const [event] = poisoned(machine, 2);
    expect(event).toMatchObject({ image: 'bad', faults: [0, 1, 2].map((n) => ({ node: nodeId(n) })) });
    // Nothing of it is placed in between, and the tick ends it.
    setHealth(machine, 3, 'healthy');
    machine.run(machine.finish(machine.task(1, 3), 'engine_lost'));
    expect(only(machine.place(), 'attempt.assigned').every(({ task }) => task.startsWith(jobId(2)))).toBe(
      true,
    );
    const ends = only(machine.tick(0, 1, 2, 3, 4), 'task.ended');
    expect(ends).toHaveLength(10);
    for (const end of ends) expect(end).toMatchObject({ outcome: 'cancelled', reason: 'image_poisoned' });
    expect(machine.job(1)).toMatchObject({ live: 0, cancelledTasks: 10 });
    expect(machine.job(2).live).toBe(10);
    const again = { type: 'job.submit', consumer, job: jobId(3), terms: terms(bad) } as const;
    const until = event?.until ?? 0;
    expect(machine.refusal({ ...again, at: until - 1 })).toBe('job.image_poisoned');
    expect(types(machine.run({ ...again, at: until }))).toEqual(['job.submitted']);
    machine.check();
  });

  it('costs no node its name', () => {
    const machine = network(4);
    machine.submit(1, bad);
    for (let n = 0; n < 3; n++) {
      start(machine);
      machine.run(machine.finish(machine.task(1, n), 'engine_lost'));
      poisoned(machine, n);
    }
    for (let n = 0; n < 3; n++)
      expect(machine.node(n)).toMatchObject({ tries: 1, isResting: false, standing: { failures: [] } });
  });

  it('is known over a restart, with the jobs that have to end', () => {
    const machine = network(3);
    machine.submit(1, { ...bad, tasks: 2000 });
    start(machine);
    poisoned(machine, 0, 1, 2);
    machine.tick(0, 1, 2);
    const text = encodeState(machine.state);
    machine.restart().check();
    expect(encodeState(machine.state)).toBe(text);
    expect(machine.assignments()).toEqual([]);
    expect(only(machine.tick(0, 1, 2), 'task.ended')).toHaveLength(2000 - 1024);
    expect(machine.job(1)).toMatchObject({ live: 0, occupied: 3 });
    for (const n of [0, 1, 2]) machine.connect(n, { offer: withDevice('healthy'), provider: owner(n) });
    expect(machine.state.jobs.size).toBe(0);
    machine.check();
  });
});

describe('nobody is to blame', () => {
  const good = (act: (machine: Machine) => void, ownerOf = owner) => {
    const machine = network(3, ownerOf);
    machine.submit(1, { ...bad, tasks: 3 });
    act(machine);
    expect(poisoned(machine, 0, 1, 2)).toEqual([]);
    machine.check();
  };
  it('where one owner has all the devices', () => good(start, () => owner(0)));
  it('before a program runs', () => good((machine) => machine.place()));
  it('where devices were suspect before: heat, a power brake, a silent driver', () =>
    good((machine) => {
      start(machine);
      for (const n of [0, 1, 2]) setHealth(machine, n, 'suspect');
    }));
  it('long after the program ended', () =>
    good((machine) => {
      start(machine);
      for (const n of [0, 1, 2]) machine.run(machine.finish(machine.task(1, n), 'exit_nonzero'));
      machine.wait(60_001);
    }));
  it('where another image had the device as well', () =>
    good((machine) => {
      start(machine);
      for (const n of [0, 1, 2]) machine.run(machine.finish(machine.task(1, n), 'completed'));
      machine.submit(2, { ...bad, tasks: 3, image: 'other' });
      start(machine);
    }));
});

it('counts just after the program ended, too, and by job where no image is named', () => {
  const machine = network(3);
  machine.submit(1, { resources, tasks: 4, maxAttempts: 9 });
  start(machine);
  for (const n of [0, 1, 2]) machine.run(machine.finish(machine.task(1, n), 'exit_nonzero'));
  expect(poisoned(machine, 0, 1, 2)).toMatchObject([{ image: jobId(1) }]);
  machine.tick(0, 1, 2);
  expect(machine.state.jobs.size).toBe(0);
});
