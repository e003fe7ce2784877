import type { Device, DeviceRequest, Resources } from '@capacloud/protocol/capacity/resources';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { JobTerms } from '../../contract/command.ts';
import { obstaclesOf } from '../../explain/obstacles.ts';
import { apply, decide } from '../../machine.ts';
import { optionsOf } from '../../slices/job/options.ts';
import { shapeOf } from '../../slices/job/queue.ts';
import { stateHash } from '../../snapshot.ts';
import { createState } from '../../state.ts';
import { gib, jobId, Machine, nodeId, offer, provider, terms } from '../../testing/harness.ts';
import { lookLimits } from './look.ts';

const gpu = (id: string, model: string, shareable = false): Device => ({
  id,
  vendor: 'nvidia',
  model,
  memoryBytes: 24 * gib,
  health: 'healthy',
  shareable,
});
const wanting = (devices: DeviceRequest, ...alternatives: DeviceRequest[]): { resources: Resources } => ({
  resources: {
    cpuMilli: 1000,
    memoryBytes: gib,
    diskBytes: gib,
    shmBytes: 0,
    devices,
    ...(alternatives.length === 0 ? {} : { alternatives }),
  },
});
const a100: DeviceRequest = { count: 1, models: ['a100'] };
const pair: DeviceRequest = { count: 2, models: ['rtx-4090'] };
const half: DeviceRequest = { count: 1, models: ['rtx-4090'], shareMilli: 500 };
const ask = { cpuHourNano: '0', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '3600000' };

it('goes by the first alternative for which there is room, and takes, costs and frees what that one says', () => {
  const machine = Machine.ready(0);
  machine.connect(0, { offer: offer({ ask, devices: [gpu('a', 'a100')] }) });
  machine.connect(1, {
    offer: offer({ ask, devices: ['b', 'c', 'd'].map((id) => gpu(id, 'rtx-4090', true)) }),
  });
  machine.submit(1, { tasks: 4, ...wanting(a100, pair, half), holdNano: 5_000_000n });
  const [first, second, third, fourth] = machine.assignments();
  expect(first).toMatchObject({ node: nodeId(0), devices: ['a'], rateNano: '3600000' });
  expect(first).not.toHaveProperty('alternative');
  expect(second).toMatchObject({ node: nodeId(1), alternative: 1, devices: ['b', 'c'], rateNano: '7200000' });
  expect(third).toMatchObject({ node: nodeId(1), alternative: 2, devices: ['d'], rateNano: '1800000' });
  expect(fourth).toMatchObject({ alternative: 2, devices: ['d'] });
  machine.check().restart().check();
  expect([...machine.node(1).deviceUse]).toEqual([
    ['b', 1000],
    ['c', 1000],
    ['d', 1000],
  ]);
  machine.wait(1000).run(machine.finish(machine.task(1, 1), 'completed', 1000));
  // A second of two devices, less the fee.
  expect(machine.available(provider)).toBe(1940n);
  expect([...machine.check().node(1).deviceUse]).toEqual([['d', 1000]]);
  expect(machine.task(1, 1).alternative).toBe(0);
});

it('keeps to the ceiling, whichever it takes', () => {
  const machine = Machine.ready(0);
  machine.connect(0, { offer: offer({ ask, devices: [gpu('a', 'rtx-4090', true), gpu('b', 'rtx-4090')] }) });
  machine.submit(1, { ...wanting(pair, half), maxRateNano: 7_199_999n });
  expect(machine.assignments()).toMatchObject([{ alternative: 1, devices: ['a'] }]);
});

it('is another shape than one request, which has a plain one', () => {
  const one = shapeOf(terms(wanting(a100)));
  expect(shapeOf(terms(wanting(a100, pair)))).not.toBe(one);
  expect(one).toBe('1 1000 1073741824 1073741824 10000000 0 3600000   {"count":1,"models":["a100"]}');
});

it('does not fall back while nodes were not looked at for want of time', () => {
  const machine = Machine.ready(0);
  const closed = lookLimits.examinations + 100;
  for (let n = 0; n < closed; n++)
    machine.connect(n, { offer: offer({ devices: n % 500 === 0 ? [gpu(`r${n}`, 'rtx-4090', true)] : [] }) });
  machine.connect(closed, { offer: offer({ devices: [gpu('a', 'a100')] }) });
  machine.submit(1, wanting(a100, half));
  let assigned = machine.assignments();
  for (let looks = 0; assigned.length === 0 && looks < 9; looks++) assigned = machine.assignments();
  expect(assigned).toMatchObject([{ node: nodeId(closed), devices: ['a'] }]);
}, 60_000);

/** Assignments one by one, each against the state in which it was made. */
function placeWatched(machine: Machine, watch: (task: string, alternative: number) => void): void {
  const result = decide(machine.state, { type: 'place', at: machine.now }, machine.notes);
  if (!result.ok) throw new Error('a place is refused');
  for (const event of result.value) {
    if (event.type === 'attempt.assigned') watch(event.task, event.alternative ?? 0);
    machine.accept(event);
  }
}

/** How many nodes have room for the task by each alternative, by the obstacles and not by the orders. */
function roomOf(machine: Machine, taskId: string): readonly number[] {
  const task = [...machine.state.tasks.values()].find(({ id }) => id === taskId);
  if (task === undefined) throw new Error(taskId);
  const job = machine.state.jobs.get(task.job);
  const options = job === undefined ? [] : optionsOf(job.terms);
  const nodes = [...machine.state.nodes.values()];
  return options.map(
    (option) =>
      nodes.filter((node) => obstaclesOf(node, option, machine.notes.keepings, task).length === 0).length,
  );
}

it('tries alternatives in order, on any network', () => {
  const request = fc.constantFrom<DeviceRequest>(
    a100,
    pair,
    half,
    { count: 1 },
    { count: 1, models: ['t4'] },
  );
  const devices = fc.array(fc.tuple(fc.constantFrom('a100', 'rtx-4090', 't4'), fc.boolean()), {
    maxLength: 3,
  });
  const job = fc.record({
    requests: fc.uniqueArray(request, {
      minLength: 1,
      maxLength: 4,
      selector: (each) => JSON.stringify(each),
    }),
    tasks: fc.integer({ min: 1, max: 4 }),
    maxRateNano: fc.constantFrom(2_000_000n, 4_000_000n, 10_000_000n),
    finished: fc.array(fc.nat({ max: 30 }), { maxLength: 3 }),
  });
  const seen = [0, 0, 0, 0];
  fc.assert(
    fc.property(
      fc.array(devices, { minLength: 1, maxLength: 4 }),
      fc.array(job, { maxLength: 8 }),
      (offers, jobs) => {
        const machine = Machine.ready(0);
        for (const [n, list] of offers.entries())
          machine.connect(n, {
            offer: offer({
              ask,
              devices: list.map(([model, isShared], i) => gpu(`${n}-${i}`, model, isShared)),
            }),
          });
        for (const [n, { finished, maxRateNano, requests, tasks }] of jobs.entries()) {
          const [first = a100, ...others] = requests;
          machine.submit(n, { tasks, maxRateNano, ...wanting(first, ...others) } satisfies Partial<JobTerms>);
          placeWatched(machine, (task, alternative) => {
            seen[alternative] = (seen[alternative] ?? 0) + 1;
            const room = roomOf(machine, task);
            expect(room.slice(0, alternative)).toEqual(room.slice(0, alternative).map(() => 0));
            expect(room[alternative]).toBeGreaterThan(0);
          });
          for (const task of machine.state.tasks.values())
            if (task.state === 'queued')
              expect(roomOf(machine, task.id).every((nodes) => nodes === 0)).toBe(true);
          const held = [...machine.state.tasks.values()].filter(({ state }) => state === 'assigned');
          for (const position of finished) {
            const task = held[position];
            if (task?.state === 'assigned' && machine.state.jobs.has(jobId(n)))
              machine.run(machine.finish(task, 'completed'));
          }
          machine.check();
        }
        const replayed = createState();
        for (const event of machine.log) apply(replayed, event);
        expect(stateHash(replayed)).toBe(stateHash(machine.state));
        expect(stateHash(machine.restart().check().state)).toBe(stateHash(replayed));
      },
    ),
    { numRuns: 200 },
  );
  expect(Math.min(...seen.slice(0, 3))).toBeGreaterThan(20);
});
