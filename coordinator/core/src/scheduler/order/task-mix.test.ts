import type { Device, DeviceRequest } from '@capacloud/protocol/capacity/resources';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gib, Machine } from '../../testing/harness.ts';
import { DeviceSupply } from '../fit/device-supply.ts';
import { type Space, TaskMix } from './task-mix.ts';

const gpu = (id: string, model = 't4'): Device => ({
  id,
  vendor: 'nvidia',
  model,
  memoryBytes: 16 * gib,
  health: 'healthy',
  shareable: true,
});
const wants = (devices: DeviceRequest, cpuMilli = 1000) => ({
  cpuMilli,
  memoryBytes: gib,
  diskBytes: 0,
  shmBytes: 0,
  devices,
});
const space = (freeMilli: number[], cpuMilli = 100_000, slots = 100): Space => ({
  slots,
  cpuMilli,
  memoryBytes: 1000 * gib,
  devices: freeMilli.map((_, i) => gpu(`GPU-${i}`)),
  freeMilli,
});

it('fills nothing before anything was seen, and everything with tasks that fit', () => {
  const mix = new TaskMix(new DeviceSupply());
  expect(mix.expectedFill(space([1000, 1000]))).toBe(0);
  mix.note({ cpuMilli: 1, memoryBytes: 1, diskBytes: 0, shmBytes: 0 }, 5);
  expect(mix.generation).toBe(0);
  mix.note(wants({ count: 1 }), 1);
  expect(mix.expectedFill(space([1000, 1000]))).toBe(2000);
});

it('counts as lost what is too small, and what processors, memory or slots are missing for', () => {
  const mix = new TaskMix(new DeviceSupply());
  mix.note(wants({ count: 1, shareMilli: 400 }, 2000), 1);
  expect(mix.expectedFill(space([1000]))).toBe(800);
  expect(mix.expectedFill(space([399, 799]))).toBe(400);
  expect(mix.expectedFill(space([1000, 1000], 5000))).toBe(800);
  expect(mix.expectedFill(space([1000, 1000], 100_000, 3))).toBe(1200);
  const whole = new TaskMix(new DeviceSupply());
  whole.note(wants({ count: 2 }), 1);
  expect(whole.expectedFill(space([1000, 999, 1000, 1000]))).toBe(2000);
});

it('fills only devices that the tasks may use', () => {
  const mix = new TaskMix(new DeviceSupply());
  mix.note(wants({ count: 1, models: ['a100'] }), 1);
  expect(mix.expectedFill(space([1000]))).toBe(0);
  const both = { ...space([1000, 1000]), devices: [gpu('a'), gpu('b', 'a100-sxm4-80gb')] };
  expect(mix.expectedFill(both)).toBe(1000);
});

it('says the same of whole devices that are alike by their number', () => {
  const models = ['t4', 'a100', 'v100'];
  const demand = fc.record({
    count: fc.integer({ min: 1, max: 4 }),
    cpuMilli: fc.integer({ min: 1, max: 9000 }),
    models: fc.option(fc.subarray(models, { minLength: 1 }), { nil: undefined }),
    tasks: fc.integer({ min: 1, max: 20 }),
  });
  const node = fc.record({
    free: fc.array(fc.constantFrom(0, 500, 1000), { minLength: 1, maxLength: 8 }),
    model: fc.constantFrom(...models),
    cpuMilli: fc.integer({ min: 0, max: 60_000 }),
    slots: fc.integer({ min: 0, max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(demand, { minLength: 1, maxLength: 40 }), fc.array(node), (demands, nodes) => {
      const mix = new TaskMix(new DeviceSupply());
      for (const { count, cpuMilli, models: wanted, tasks } of demands)
        mix.note(wants({ count, ...(wanted && { models: wanted }) }, cpuMilli), tasks);
      for (const { cpuMilli, free, model, slots } of nodes) {
        const devices = free.map((_, i) => gpu(`GPU-${i}`, model));
        const whole = mix.wholesOf(mix.kindOf(gpu('GPU-0', model)));
        const wholes = free.filter((milli) => milli === 1000).length;
        expect(whole.hasShares).toBe(false);
        expect(1000 * whole.expectedFill(wholes, slots, cpuMilli, 1000 * gib)).toBe(
          mix.expectedFill({ ...space(free, cpuMilli, slots), devices }),
        );
      }
    }),
  );
  const shared = new TaskMix(new DeviceSupply());
  shared.note(wants({ count: 1, shareMilli: 500 }), 1);
  expect(shared.wholesOf(shared.kindOf(gpu('GPU-0'))).hasShares).toBe(true);
});

it('forgets what came long ago', () => {
  const mix = new TaskMix(new DeviceSupply());
  mix.note(wants({ count: 1, shareMilli: 300 }), 1);
  expect(mix.expectedFill(space([1000]))).toBe(900);
  for (let i = 0; i < 200; i++) mix.note(wants({ count: 1 }), 10_000);
  expect(mix.expectedFill(space([1000]))).toBe(1000);
  expect(mix.generation).toBeLessThan(40);
});

it('knows which devices are wanted by those who take no others', () => {
  const machine = Machine.ready(2, { devices: [gpu('a'), gpu('b'), gpu('c')] });
  machine.connect(2, { offer: { ...machine.node(0).offer, devices: [gpu('rare', 'p100')] } });
  const { mix } = machine.notes;
  machine.submit(1, { resources: wants({ count: 1 }) });
  for (let n = 2; n < 40; n++)
    machine.submit(n, { resources: wants({ count: 1, ...(n % 4 === 0 ? { models: ['p100'] } : {}) }) });
  machine.notes.follow(machine.state);
  const [plain, rare] = [mix.kindOf(gpu('x')).load, mix.kindOf(gpu('y', 'p100')).load];
  expect(plain).toBeLessThan(1);
  expect(rare).toBeGreaterThan(2);
  // Six of one kind and one of the other, all wanted once.
  expect(6 * plain + rare).toBeCloseTo(7, 5);
  // So who takes any gets the plain ones while there are some.
  const models = machine.assignments().map(({ node }) => node === machine.node(2).id);
  expect(models.filter(Boolean)).toHaveLength(1);
});
