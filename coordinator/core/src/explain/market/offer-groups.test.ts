import type { Device } from '@capacloud/protocol/capacity/resources';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { JobTerms } from '../../contract/command.ts';
import { gib, Machine, offer, terms } from '../../testing/harness.ts';
import { type OfferGroup, OfferGroups, OfferShortlist } from './offer-groups.ts';
import { RoomTimes } from './room-times.ts';

const gpu = (id: string, model: string): Device => ({
  id,
  vendor: 'nvidia',
  model,
  memoryBytes: (model === 'a100' ? 80 : 24) * gib,
  health: 'healthy',
  shareable: true,
});

function survey(machine: Machine, wanted: JobTerms): { ranked: readonly OfferGroup[]; times: RoomTimes } {
  const groups = new OfferGroups(machine.state, machine.notes, wanted);
  const times = new RoomTimes(machine.state, wanted, machine.now);
  for (const node of machine.state.nodes.values()) {
    const room = groups.look(node);
    if (room !== undefined) times.look(node, room);
  }
  const shortlist = new OfferShortlist();
  for (const group of groups.values()) shortlist.consider(group);
  return { ranked: groups.rank(shortlist), times };
}

const network = fc.array(
  fc.record({
    cpuMilli: fc.constantFrom(1000, 4000, 8000),
    slots: fc.integer({ min: 1, max: 5 }),
    price: fc.integer({ min: 1, max: 4 }),
    models: fc.array(fc.constantFrom('rtx-4090', 'a100'), { maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 8 },
);
const wish = fc.record({
  cpuMilli: fc.constantFrom(500, 1500),
  devices: fc.option(
    fc.record(
      {
        count: fc.constant(1),
        models: fc.constant<string[]>(['a100']),
        shareMilli: fc.constantFrom(300, 500),
      },
      { requiredKeys: ['count'] },
    ),
    { nil: undefined },
  ),
});
const termsOf = ({ cpuMilli, devices }: { cpuMilli: number; devices: object | undefined }, tasks: number) =>
  terms({
    tasks,
    maxRateNano: 10n ** 12n,
    runTimeoutMs: 600_000,
    resources: {
      cpuMilli,
      memoryBytes: gib,
      diskBytes: gib,
      shmBytes: 0,
      ...(devices === undefined ? {} : { devices: { count: 1, ...devices } }),
    },
  });

it('ranks first where the scheduler places first, and counts as many tasks as it places', () => {
  let placed = 0;
  fc.assert(
    fc.property(network, wish, wish, fc.integer({ min: 0, max: 6 }), (nodes, wanted, others, before) => {
      const machine = Machine.ready(0);
      for (const [n, { price, models, cpuMilli, slots }] of nodes.entries())
        machine.connect(n, {
          offer: offer({
            cpuMilli,
            slots,
            ask: { ...offer().ask, cpuHourNano: `${price}000`, deviceHourNano: `${price * 7}00000` },
            devices: models.map((model, i) => gpu(`GPU-${n}-${i}`, model)),
          }),
        });
      if (before > 0) {
        machine.submit(1, termsOf(others, before));
        machine.place();
        // What waits is gone, and what runs keeps its room until its node lets go.
        machine.cancel(1);
      }
      const job = termsOf(wanted, 100);
      machine.submit(2, job);
      const { ranked } = survey(machine, job);
      const room = ranked.reduce((sum, { tasksNow }) => sum + tasksNow, 0);
      const assignments = machine.assignments();
      expect(assignments).toHaveLength(Math.min(room, 100));
      const [first] = assignments;
      if (first === undefined) return;
      placed += 1;
      expect(first.rateNano).toBe(`${ranked[0]?.rateNano}`);
      expect(ranked[0]?.free.map(({ id }) => id)).toContain(first.node);
    }),
    { numRuns: 300 },
  );
  expect(placed).toBeGreaterThan(100);
});

it('tells when there is room at the latest, to the minute, and not before', () => {
  const running = fc.record({
    cpuMilli: fc.integer({ min: 1, max: 6 }),
    minutes: fc.integer({ min: 1, max: 9 }),
  });
  let waits = 0;
  fc.assert(
    fc.property(
      fc.array(running, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 8 }),
      (jobs, cpu) => {
        const machine = Machine.ready(2, { cpuMilli: 8000, slots: 3 });
        const ends = new Map<number, number>();
        for (const [n, { cpuMilli, minutes }] of jobs.entries()) {
          const runTimeoutMs = minutes * 60_000;
          machine.submit(n, {
            ...termsOf({ cpuMilli: cpuMilli * 1000, devices: undefined }, 1),
            runTimeoutMs,
          });
          if (machine.assignments().length === 0) machine.cancel(n);
          // Assigned, pulled and started in time, run with its grace and margin, uploaded.
          else ends.set(n, machine.now + (1 + 30 + 5) * 60_000 + runTimeoutMs + 70_000 + 30 * 60_000);
          machine.wait(7000);
        }
        const job = termsOf({ cpuMilli: cpu * 1000, devices: undefined }, 1);
        const waitMs = survey(machine, job).times.waitMs(0) ?? 0;
        const finishUntil = (until: number) => {
          for (const [n, end] of ends) {
            if (end > until) continue;
            ends.delete(n);
            const task = machine.task(n);
            machine.run(machine.finish(task, 'exit_nonzero'));
          }
        };
        machine.submit(20, job);
        finishUntil(machine.now + waitMs - 60_000);
        expect(machine.assignments()).toHaveLength(waitMs === 0 ? 1 : 0);
        if (waitMs === 0) return;
        waits += 1;
        finishUntil(machine.now + waitMs);
        expect(machine.assignments()).toHaveLength(1);
      },
    ),
    { numRuns: 200 },
  );
  expect(waits).toBeGreaterThan(20);
});

it('tells offers at the price of interruptible work from those at the full one', () => {
  const machine = Machine.ready(1);
  machine.connect(1, { offer: offer({ interruptibleDiscountPercent: 40 }) });
  const shown = (wanted: JobTerms) =>
    survey(machine, wanted).ranked.map(({ isInterruptible, rateNano }) => [
      Number(rateNano),
      isInterruptible,
    ]);
  expect(shown(terms())).toEqual([[1_000_000, false]]);
  expect(shown(terms({ interruptible: true }))).toEqual([
    [600_000, true],
    [1_000_000, false],
  ]);
});

it('counts on what makes way for who pays in full, and for nobody else', () => {
  const machine = Machine.ready(1, { interruptibleDiscountPercent: 40, cpuMilli: 4000, slots: 1 });
  const job = { ...termsOf({ cpuMilli: 4000, devices: undefined }, 1), stopGraceMs: 20_000 };
  machine.submit(1, { ...job, interruptible: true, checkpoint: true });
  machine.place();
  const waitMs = (change: Partial<JobTerms>) => survey(machine, { ...job, ...change }).times.waitMs(0) ?? 0;
  // After half a minute, with its grace period and a minute to save what it has: to the minute.
  expect(waitMs({})).toBe(2 * 60_000);
  expect(waitMs({ interruptible: true })).toBeGreaterThan(30 * 60_000);
  // It would pay less than what runs there.
  const small = { ...job.resources, cpuMilli: 1000 };
  expect(waitMs({ resources: small })).toBeGreaterThan(30 * 60_000);
});
