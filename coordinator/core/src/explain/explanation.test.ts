import type { Device, DeviceRequest, Offer } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { JobTerms } from '../contract/command.ts';
import { optionsOf } from '../slices/job/options.ts';
import { gib, Machine, nodeId, offer, provider, terms } from '../testing/harness.ts';
import { Explanation } from './explanation.ts';
import type { Change } from './nearest-change.ts';
import { isPassing, obstaclesOf } from './obstacles.ts';

const gpu = (id: string, change: Partial<Device> = {}): Device => ({
  id,
  vendor: 'nvidia',
  model: 'rtx-4090',
  memoryBytes: 24 * gib,
  computeCapability: '8.9',
  cuda: '12.4',
  health: 'healthy',
  ...change,
});

function network(...offers: readonly Partial<Offer>[]): Machine {
  const machine = Machine.ready(0);
  for (const [n, change] of offers.entries()) machine.connect(n, { offer: offer(change) });
  return machine;
}

function explain(machine: Machine, change: Partial<JobTerms>): Explanation {
  const explanation = new Explanation(terms(change), machine.notes.keepings);
  for (const node of machine.state.nodes.values()) explanation.look(node);
  return explanation;
}

const wanting = (devices: DeviceRequest, cpuMilli = 1000) => ({
  resources: { cpuMilli, memoryBytes: gib, diskBytes: gib, shmBytes: 0, devices },
});

it('counts everything that stands in the way, and names the one change that helps', () => {
  const ask = (cpu: number) => ({ ...offer().ask, cpuHourNano: `${cpu}` });
  const machine = network(
    { ask: ask(920) },
    { ask: ask(950) },
    { ask: ask(920), memoryBytes: 1 },
    { slots: 1 },
  );
  machine.connect(4, { accepting: false });
  machine.submit(1, { maxRateNano: 10n ** 9n, resources: { ...terms().resources, memoryBytes: 2 } });
  const explanation = explain(machine, { maxRateNano: 800n });
  expect([explanation.nodes, explanation.suitable, explanation.free]).toEqual([5, 0, 0]);
  expect(explanation.counts()).toEqual([
    { obstacle: 'node_closed', nodes: 1, alone: 0, examples: [nodeId(4)] },
    { obstacle: 'memory', nodes: 1, alone: 0, examples: [nodeId(2)] },
    { obstacle: 'price', nodes: 5, alone: 3, examples: [0, 1, 3, 2, 4].map(nodeId) },
  ]);
  expect(explanation.changes()).toEqual([{ obstacle: 'price', to: 920n, nodes: 1, free: 1 }]);
});

it('tells what is busy from what will never do, and prefers changes that open free nodes', () => {
  const machine = network({ slots: 1 }, { cpuMilli: 2000 }, { cpuMilli: 3000 });
  machine.submit(1, { resources: { ...terms().resources, cpuMilli: 2500 }, maxRateNano: 10n ** 9n });
  expect(machine.place()).toHaveLength(1);
  const taken = [...machine.state.nodes.values()].find((node) => node.occupied.size > 0);
  const explanation = explain(machine, {
    resources: { ...terms().resources, cpuMilli: 7000 },
    maxRateNano: 10n ** 9n,
  });
  const counts = new Map(explanation.counts().map((each) => [each.obstacle, each]));
  expect(taken?.id).toBe(nodeId(0));
  expect(counts.get('busy_slots')).toMatchObject({ nodes: 1 });
  expect(counts.get('cpu')).toMatchObject({ nodes: 2, alone: 2 });
  expect([explanation.suitable, explanation.free]).toEqual([1, 0]);
  expect(explanation.changes()).toEqual([{ obstacle: 'cpu', to: 3000, nodes: 1, free: 1 }]);
});

it.each<[string, DeviceRequest, readonly Change[]]>([
  ['too many', { count: 3 }, [{ obstacle: 'gpu_count', to: 2, nodes: 1, free: 1 }]],
  [
    'too large',
    { count: 1, memoryBytes: 96 * gib },
    [{ obstacle: 'gpu_memory', to: 80 * gib, nodes: 1, free: 1 }],
  ],
  [
    'another model',
    { count: 1, models: ['h200'] },
    [{ obstacle: 'gpu_model', to: ['h200', 'a100', 'rtx-4090'], nodes: 2, free: 2 }],
  ],
  ['another vendor', { count: 1, vendor: 'amd' }, [{ obstacle: 'gpu_vendor', nodes: 2, free: 2 }]],
  ['a newer driver', { count: 1, cuda: '13' }, [{ obstacle: 'gpu_cuda', to: '12.4', nodes: 2, free: 2 }]],
  [
    'a newer generation',
    { count: 1, computeCapability: '9.0' },
    [{ obstacle: 'gpu_compute_capability', to: '8.9', nodes: 1, free: 1 }],
  ],
  ['a share', { count: 1, shareMilli: 500 }, [{ obstacle: 'gpu_share', nodes: 2, free: 2 }]],
  [
    'what no device is at once',
    { count: 1, models: ['a100'], computeCapability: '8.9' },
    [
      { obstacle: 'gpu_model', to: ['a100', 'rtx-4090'], nodes: 1, free: 1 },
      { obstacle: 'gpu_compute_capability', to: '8.0', nodes: 1, free: 1 },
    ],
  ],
])('of GPUs: %s', (_, request, changes) => {
  const machine = network(
    { devices: [gpu('a'), gpu('b')] },
    { devices: [gpu('c', { model: 'a100', memoryBytes: 80 * gib, computeCapability: '8.0' })] },
  );
  expect(explain(machine, wanting(request)).changes()).toEqual(changes);
});

it('names the shortest timeout that a node takes', () => {
  const machine = network({ minRunMs: 7_200_000 }, { minRunMs: 5_400_000 }, { minRunMs: 3_600_000 });
  expect(explain(machine, { runTimeoutMs: 1_800_000 }).changes()).toEqual([
    { obstacle: 'min_duration', to: 3_600_000, nodes: 1, free: 1 },
  ]);
  expect(explain(machine, { runTimeoutMs: 5_400_000 }).suitable).toBe(2);
});

it('says who must be let in', () => {
  const machine = network({}, {});
  expect(explain(machine, { needsRoot: true }).changes()).toEqual([{ obstacle: 'root', nodes: 2, free: 2 }]);
  const elsewhere = { providers: ['acc_other' as AccountId] };
  expect(explain(machine, elsewhere).changes()).toEqual([{ obstacle: 'provider', nodes: 2, free: 2 }]);
  expect(explain(machine, { excludeProviders: [provider] }).counts()).toMatchObject([
    { obstacle: 'provider' },
  ]);
});

it('explains across alternatives, and which of them which change would open', () => {
  const ask = (device: number) => ({ ...offer().ask, cpuHourNano: '0', deviceHourNano: `${device}` });
  const machine = network(
    { devices: [gpu('a', { model: 't4' })], ask: ask(10) },
    { devices: [gpu('b'), gpu('c')], ask: ask(10) },
    { devices: [gpu('d', { model: 'a100' })], ask: ask(100) },
  );
  const { resources } = wanting({ count: 1, models: ['a100'] });
  const alternatives = [{ count: 3, models: ['rtx-4090'] }];
  const explanation = explain(machine, { resources: { ...resources, alternatives }, maxRateNano: 50n });
  expect(explanation.suitable).toBe(0);
  expect(explanation.counts()).toEqual([
    { obstacle: 'gpu_model', nodes: 2, alone: 2, examples: [nodeId(0), nodeId(1)] },
    { obstacle: 'price', nodes: 1, alone: 1, examples: [nodeId(2)] },
  ]);
  expect(explanation.changes()).toEqual([
    { obstacle: 'gpu_model', at: 0, to: ['a100', 'rtx-4090', 't4'], nodes: 2, free: 2 },
    { obstacle: 'gpu_count', at: 1, to: 2, nodes: 1, free: 1 },
    { obstacle: 'price', to: 100n, nodes: 1, free: 1 },
  ]);
  const fewer = [{ count: 2, models: ['rtx-4090'], memoryBytes: 40 * gib }];
  expect(explain(machine, { resources: { ...resources, alternatives: fewer } }).suitable).toBe(1);
  const other = { ...resources, devices: { count: 1, models: ['h100'] }, alternatives: fewer };
  expect(explain(machine, { resources: other }).changes()).toContainEqual({
    obstacle: 'gpu_memory',
    at: 1,
    to: 24 * gib,
    nodes: 1,
    free: 1,
  });
});

it('names the regions and the constraints that keep nodes out', () => {
  const machine = network(
    { region: 'us-east', labels: { tier: 'gold' } },
    { region: 'us-east', labels: { tier: 'lead' } },
    { region: 'us-west' },
    { labels: { tier: 'gold' } },
  );
  const regions = ['eu-central'];
  expect(explain(machine, { regions }).changes()).toEqual([
    { obstacle: 'region', to: ['eu-central', 'us-east', 'us-west'], nodes: 3, free: 3 },
  ]);
  expect(explain(network({}, {}), { regions }).changes()).toEqual([
    { obstacle: 'region', nodes: 2, free: 2 },
  ]);
  const constraints = [
    { key: 'tier', operator: 'in', values: ['gold'] },
    { key: 'region', operator: 'exists', values: [] },
    { key: 'spot', operator: 'exists', values: [] },
  ] as const;
  expect(explain(machine, { constraints: constraints.slice(0, 2) }).changes()).toEqual([
    { obstacle: 'label', at: 0, nodes: 2, free: 2 },
    { obstacle: 'label', at: 1, nodes: 1, free: 1 },
  ]);
  expect(explain(machine, { constraints }).changes()).toEqual([
    { obstacle: 'label', nodes: 4, free: 4 },
    { obstacle: 'label', at: 2, nodes: 1, free: 1 },
  ]);
});

/** The terms with the change made. */
function changed(before: JobTerms, { obstacle, to, at }: Change): JobTerms {
  const { regions: _regions, ...anywhere } = before;
  const { resources } = before;
  const { devices } = resources;
  const withDevices = (change: Partial<DeviceRequest>): JobTerms => {
    const { alternatives = [] } = resources;
    const [first, ...others] = [devices, ...alternatives].map((request, i) =>
      i === (at ?? 0) ? { ...request, ...change } : request,
    );
    const after = { ...resources, devices: first, ...(others.length === 0 ? {} : { alternatives: others }) };
    return { ...before, resources: after } as JobTerms;
  };
  const withResources = (change: object): JobTerms => ({ ...before, resources: { ...resources, ...change } });
  const made = {
    price: { ...before, maxRateNano: to as bigint },
    cpu: withResources({ cpuMilli: to }),
    memory: withResources({ memoryBytes: to }),
    disk: withResources({ diskBytes: to }),
    gpu_count: withDevices({ count: to as number }),
    gpu_memory: withDevices({ memoryBytes: to as number }),
    gpu_model: withDevices({ models: to as string[] }),
    root: { ...before, needsRoot: false },
    region: { ...anywhere, ...(to === undefined ? {} : { regions: to as string[] }) },
    label: { ...before, constraints: at === undefined ? [] : (before.constraints ?? []).toSpliced(at, 1) },
    min_duration: { ...before, runTimeoutMs: to as number },
  };
  const terms = made[obstacle as keyof typeof made];
  if (terms === undefined) throw new Error(obstacle);
  return terms;
}

it('counts right what each change opens, on any network', () => {
  const constraints = [
    { key: 'tier', operator: 'in', values: ['gold'] },
    { key: 'region', operator: 'exists', values: [] },
  ] as const;
  const device = fc.record({ model: fc.constantFrom('t4', 'a100', 'l40'), gib: fc.constantFrom(8, 16, 80) });
  const machineOffer = fc.record({
    cpuMilli: fc.constantFrom(1000, 4000, 8000),
    memoryBytes: fc.constantFrom(gib, 8 * gib),
    price: fc.constantFrom(0, 5, 9),
    region: fc.constantFrom('eu-central', 'us-east', undefined),
    tier: fc.constantFrom('gold', 'lead', undefined),
    minRunMs: fc.constantFrom(1000, 600_000, 7_200_000),
    devices: fc.array(device, { maxLength: 3 }),
  });
  const request = fc.record(
    {
      count: fc.integer({ min: 1, max: 3 }),
      memoryBytes: fc.constantFrom(8 * gib, 40 * gib),
      models: fc.constant<string[]>(['l40']),
    },
    { requiredKeys: ['count'] },
  );
  const wish = fc.record({
    cpuMilli: fc.constantFrom(500, 3000, 9000),
    memoryBytes: fc.constantFrom(gib, 4 * gib),
    maxRateNano: fc.constantFrom(1n, 20_000n),
    needsRoot: fc.boolean(),
    placement: fc.constantFrom<Partial<JobTerms>>(
      {},
      { regions: ['eu-central'] },
      { constraints },
      { regions: ['eu-central'], constraints: constraints.slice(0, 1) },
    ),
    requests: fc.array(request, { maxLength: 3 }),
    runTimeoutMs: fc.constantFrom(60_000, 3_600_000),
  });
  let seen = 0;
  fc.assert(
    fc.property(
      fc.array(machineOffer, { minLength: 1, maxLength: 6 }),
      wish,
      (offers, { requests: [devices, ...alternatives], ...wanted }) => {
        const machine = network(
          ...offers.map(({ devices: gpus, price, region, tier, ...rest }) => ({
            ...rest,
            ...(region === undefined ? {} : { region }),
            ...(tier === undefined ? {} : { labels: { tier } }),
            ask: { ...offer().ask, cpuHourNano: `${price}`, deviceHourNano: `${price}` },
            devices: gpus.map(({ model, gib: size }, i) =>
              gpu(`GPU-${i}`, { model, memoryBytes: size * gib }),
            ),
          })),
        );
        const { cpuMilli, memoryBytes, placement, ...rest } = wanted;
        const before = terms({
          ...rest,
          ...placement,
          resources: {
            cpuMilli,
            memoryBytes,
            diskBytes: gib,
            shmBytes: 0,
            ...(devices === undefined ? {} : { devices }),
            ...(alternatives.length === 0 ? {} : { alternatives }),
          },
        });
        const explanation = explain(machine, before);
        const nodes = [...machine.state.nodes.values()];
        const suitable = (after: JobTerms) =>
          nodes.filter((node) =>
            optionsOf(after).some((option) =>
              obstaclesOf(node, option, machine.notes.keepings).every(isPassing),
            ),
          ).length;
        expect(suitable(before)).toBe(explanation.suitable);
        for (const change of explanation.changes()) {
          seen += 1;
          // Lower wishes cost less, too, so that one change may open more than it promises.
          expect(suitable(changed(before, change)) - explanation.suitable).toBeGreaterThanOrEqual(
            change.nodes,
          );
          expect(change.nodes).toBeGreaterThan(0);
        }
      },
    ),
    { numRuns: 600 },
  );
  expect(seen).toBeGreaterThan(50);
});
