import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ClassResult, SimulationResult, VariantResult } from './results.ts';
import { readScenario } from './scenario/read-scenario.ts';
import { simulate } from './simulation.ts';

function simulated(scenario: object): SimulationResult {
  const read = readScenario(JSON.stringify(scenario), () => undefined);
  if (!read.ok) throw new Error(read.refusal.message);
  return simulate(read.value, () => {});
}

function only(result: SimulationResult): { variant: VariantResult; jobs: ClassResult } {
  const [variant] = result.variants;
  const [jobs] = variant?.classes ?? [];
  if (variant === undefined || jobs === undefined) throw new Error('nothing was simulated');
  return { variant, jobs };
}

const span = fc.integer({ min: 1, max: 3600 }).map((seconds) => `${seconds}s`);
const distribution = fc.oneof(
  span.map((fixed) => ({ fixed })),
  span.map((exponential) => ({ exponential })),
  span.map((median) => ({ lognormal: { median, p95: '2h' } })),
);
const group = fc.record({
  count: fc.integer({ min: 1, max: 5 }),
  providers: fc.integer({ min: 1, max: 3 }),
  resources: fc.record({
    cpu: fc.integer({ min: 4, max: 16 }),
    memory: fc.constant('32Gi'),
    slots: fc.integer({ min: 1, max: 8 }),
    gpu: fc.record({ model: fc.constant('rtx-4090'), count: fc.integer({ min: 1, max: 4 }) }),
  }),
  share_devices: fc.constant(true),
  ask: fc.constantFrom({}, { interruptible_discount: '40%' }),
  ask_spread: fc.constantFrom(0, 0.5),
  joins: fc.record({ over: span }),
  availability: fc.record({ up: span, down: span, fault: fc.constantFrom('machine', 'network') }),
  failure_rate: fc.constantFrom(0, 0.2),
});
const jobClass = fc.record({
  rate: fc.integer({ min: 1, max: 40 }),
  runs: distribution,
  setup: distribution,
  failure_rate: fc.constantFrom(0, 0.3),
  consumers: fc.integer({ min: 1, max: 3 }),
  budget: fc.constantFrom('2', '1000'),
  job: fc.record({
    replicas: fc.integer({ min: 1, max: 4 }),
    resources: fc.constantFrom({ cpu: 1 }, { cpu: 2, gpu: { share: 0.3 } }, { cpu: 4, gpu: 1 }),
    interruptible: fc.boolean(),
    timeout: fc.constantFrom('30m', '2h'),
    queue_timeout: fc.constantFrom('10m', '6h'),
    price: fc.constantFrom(
      { max_per_hour: '0.7', currency: 'CAPA' },
      { max_per_hour: '3', max_total: '4', currency: 'CAPA' },
    ),
    retry: fc.record({
      max_attempts: fc.integer({ min: 1, max: 3 }),
      provider_lost: fc.integer({ min: 0, max: 3 }),
    }),
  }),
});
const named = <T extends object>(items: readonly T[]) =>
  items.map((item, index) => ({ ...item, name: `g${index}` }));
const scenarios = fc.record({
  seed: fc.nat(1e6),
  duration: fc.constant('6h'),
  interval: fc.constant('1h'),
  rules: fc.record({
    fee_basis_points: fc.integer({ min: 0, max: 10_000 }),
    lease_ms: fc.constantFrom(20_000, 600_000),
    pull_timeout_ms: fc.constantFrom(60_000, 1_800_000),
  }),
  nodes: fc.array(group, { minLength: 1, maxLength: 2 }).map(named),
  jobs: fc.array(jobClass, { minLength: 1, maxLength: 2 }).map(named),
});

// At the end of each variant the simulator checks the core's own invariants as well, and throws.
it('pays each task once, loses neither tasks nor money, and comes to the same each time', () => {
  fc.assert(
    fc.property(scenarios, (scenario) => {
      const result = simulated(scenario);
      expect(simulated(scenario)).toEqual(result);
      const { variant } = only(result);
      const succeeded = variant.classes.reduce((sum, each) => sum + each.succeeded, 0);
      expect(variant.attempts.completed ?? 0).toBe(succeeded);
      for (const each of variant.classes) {
        const ended = each.succeeded + each.failed + each.expired;
        expect(each.submitted).toBe(ended + each.waiting + each.running);
      }
      // Counted from the events here, read from the ledger there.
      const charged = variant.classes.reduce((sum, each) => sum + BigInt(each.chargedNano), 0n);
      expect(`${charged}`).toBe(variant.chargedNano);
      const { series } = variant;
      expect(`${series.reduce((sum, point) => sum + BigInt(point.feesNano), 0n)}`).toBe(variant.feesNano);
      expect(series.reduce((sum, point) => sum + point.succeeded, 0)).toBe(succeeded);
      for (const { utilisation } of series)
        for (const part of Object.values(utilisation)) expect((part ?? 0) <= 1 + 1e-9).toBe(true);
    }),
    { numRuns: 40 },
  );
}, 120_000);

/** Erlang's C formula: the mean wait at so many servers. */
function meanWaitMs(servers: number, perHour: number, meanRunMs: number): number {
  const offered = (perHour * meanRunMs) / 3_600_000;
  let term = 1;
  let sum = 0;
  for (let k = 0; k < servers; k++) {
    sum += term;
    term *= offered / (k + 1);
  }
  const queued = term / (1 - offered / servers);
  return ((queued / (sum + queued)) * meanRunMs) / (servers - offered);
}

it('lets tasks wait as long as queueing theory says', () => {
  const { jobs, variant } = only(
    simulated({
      seed: 3,
      duration: '120d',
      warm_up: '2d',
      interval: '1d',
      nodes: [{ name: 'servers', count: 4, resources: { cpu: 1, memory: '2Gi', slots: 1 } }],
      jobs: [
        {
          name: 'calls',
          rate: 18,
          runs: { exponential: '10m' },
          job: { timeout: '2d', queue_timeout: '7d' },
        },
      ],
    }),
  );
  const expected = meanWaitMs(4, 18, 600_000);
  expect(jobs.wait.tasks).toBeGreaterThan(50_000);
  expect(Math.abs(jobs.wait.mean / expected - 1)).toBeLessThan(0.05);
  expect(variant.pools[0]?.utilisation).toBeCloseTo(0.75, 2);
}, 120_000);

it('moves money from providers to the house when the fee rises, and changes nothing else', () => {
  const { variants } = simulated({
    duration: '1d',
    rules: { fee_basis_points: 500 },
    nodes: [{ name: 'n', count: 5, resources: { cpu: 4, memory: '16Gi' } }],
    jobs: [{ name: 'j', rate: 60, runs: { exponential: '10m' } }],
    compare: [{ name: 'ten', rules: { fee_basis_points: 1000 } }],
  });
  const [five, ten] = variants;
  expect(ten?.chargedNano).toBe(five?.chargedNano);
  expect(ten?.classes).toEqual(five?.classes);
  const part = (variant: VariantResult | undefined): number =>
    Number(variant?.feesNano) / Number(variant?.chargedNano);
  expect(part(five)).toBeCloseTo(0.05, 6);
  expect(part(ten)).toBeCloseTo(0.1, 6);
});

it('says how many still wait at the end, for how long, and why', () => {
  const { jobs } = only(
    simulated({
      duration: '4h',
      nodes: [{ name: 'n', count: 2, resources: { cpu: 1, memory: '4Gi', slots: 1 } }],
      jobs: [{ name: 'j', rate: 30, runs: { fixed: '30m' } }],
    }),
  );
  expect(jobs.waiting).toBe(jobs.submitted - jobs.succeeded - 2);
  expect(jobs.longestWaiting?.ms).toBeGreaterThan(3_600_000);
  expect(jobs.longestWaiting?.message).toContain('2 of 2 connected nodes could run a task');
});

it('loses less work to short outages of the network when leases are longer', () => {
  const { variants } = simulated({
    duration: '2d',
    rules: { lease_ms: 30_000 },
    nodes: [
      {
        name: 'homes',
        count: 10,
        resources: { cpu: 2, memory: '8Gi' },
        availability: { up: '2h', down: '1m', fault: 'network' },
      },
    ],
    jobs: [{ name: 'j', rate: 12, runs: { fixed: '1h' }, job: { timeout: '2h' } }],
    compare: [{ name: 'long', rules: { lease_ms: 600_000 } }],
  });
  const lost = variants.map(({ attempts }) => (attempts.node_lost ?? 0) + (attempts.lease_lapsed ?? 0));
  expect(lost[0]).toBeGreaterThan(20);
  expect(lost[1]).toBe(0);
});
