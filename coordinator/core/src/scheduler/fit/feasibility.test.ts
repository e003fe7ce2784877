import { type Device, normaliseModel } from '@capacloud/protocol/capacity/resources';
import { deviceClassOf, requestedModels } from '@capacloud/protocol/job/device-classes';
import { describe, expect, it } from 'vitest';
import { gib, offer } from '../../testing/harness.ts';
import { chooseDevices, isVersionAtLeast, matchesDevice } from './feasibility.ts';

const a100: Device = {
  id: 'GPU-a',
  vendor: 'nvidia',
  model: 'a100-sxm4-80gb',
  memoryBytes: 80 * gib,
  computeCapability: '8.0',
  cuda: '12.4',
  health: 'healthy',
};

it.each([
  ['12.4', '12.4', true],
  ['12.10', '12.9', true],
  ['8.9', '12.0', false],
  ['12.4', '12', true],
  ['11.8', '12', false],
])('%s is at least %s: %s', (have, want, expected) => {
  expect(isVersionAtLeast(have, want)).toBe(expected);
});

it.each([
  [{ count: 1 }, true],
  [{ count: 1, vendor: 'amd' as const }, false],
  [{ count: 1, models: ['a100'] }, true],
  [{ count: 1, models: ['a10'] }, false],
  [{ count: 1, models: ['h100', 'a100-sxm4-80gb'] }, true],
  [{ count: 1, memoryBytes: 80 * gib }, true],
  [{ count: 1, memoryBytes: 82 * gib }, false],
  [{ count: 1, computeCapability: '8.0' }, true],
  [{ count: 1, computeCapability: '8.6' }, false],
  [{ count: 1, cuda: '12.2' }, true],
  [{ count: 1, cuda: '13' }, false],
])('an A100 matches %j: %s', (request, expected) => {
  expect(matchesDevice(a100, request)).toBe(expected);
  expect(matchesDevice({ ...a100, health: 'suspect' }, request)).toBe(false);
});

const mebibyte = 2 ** 20;
it.each([
  ['an RTX 4090', 24_564, 24],
  ['an H100', 81_559, 80],
  ['a V100', 32_510, 32],
])('%s has the memory that it is sold with, less what the driver keeps', (_, shownMib, soldGib) => {
  const device = { ...a100, memoryBytes: shownMib * mebibyte };
  expect(matchesDevice(device, { count: 1, memoryBytes: soldGib * gib })).toBe(true);
  expect(matchesDevice(device, { count: 1, memoryBytes: (soldGib + 1) * gib })).toBe(false);
});

describe('a class', () => {
  const shown = (product: string, memoryMib: number): Device => ({
    ...a100,
    model: normaliseModel(product),
    memoryBytes: memoryMib * mebibyte,
  });
  const takes = (name: string, device: Device): boolean => {
    const found = deviceClassOf(name) ?? expect.fail(`${name} is no class`);
    return matchesDevice(device, { count: 1, models: [...requestedModels(found)] });
  };

  it.each([
    ['rtx-4090', 'NVIDIA GeForce RTX 4090', 24_564],
    ['h100', 'NVIDIA H100 80GB HBM3', 81_559],
    ['h100', 'NVIDIA H100 NVL', 95_830],
    ['b200', 'NVIDIA B200', 183_359],
    ['gb200', 'NVIDIA GB200', 189_471],
    ['gb300', 'NVIDIA GB300', 284_208],
    ['gb10', 'NVIDIA GB10', 122_570],
    ['h20', 'NVIDIA H20', 97_871],
    ['h20-3e', 'NVIDIA H20-3e', 143_771],
    ['a800', 'NVIDIA A800-SXM4-80GB', 81_920],
    ['a800-40gb', 'NVIDIA A800 40GB Active', 40_960],
    ['rtx-3060', 'NVIDIA GeForce RTX 3060', 12_288],
    // With error correction, and as older drivers show them.
    ['t4', 'Tesla T4', 15_360],
    ['t4', 'Tesla T4', 15_109],
    ['l4', 'NVIDIA L4', 23_034],
    ['a10', 'NVIDIA A10', 23_028],
    ['a10g', 'NVIDIA A10G', 22_731],
    ['a40', 'NVIDIA A40', 45_634],
    ['l40s', 'NVIDIA L40S', 46_068],
    ['p40', 'Tesla P40', 22_919],
    ['rtx-6000-ada', 'NVIDIA RTX 6000 Ada Generation', 46_068],
    ['a100-40gb', 'NVIDIA A100-PCIE-40GB', 39_538],
    ['rtx-2080-ti', 'NVIDIA GeForce RTX 2080 Ti', 11_019],
    ['rtx-3080', 'NVIDIA GeForce RTX 3080', 10_018],
  ])('%s takes %s with %i MiB', (name, product, memoryMib) => {
    expect(takes(name, shown(product, memoryMib))).toBe(true);
  });

  it.each([
    ['rtx-4090', 'NVIDIA GeForce RTX 4090 Laptop GPU', 16_376],
    ['rtx-3080', 'NVIDIA GeForce RTX 3080 Laptop GPU', 16_384],
    ['rtx-2080-ti', 'NVIDIA GeForce RTX 2080 Ti with Max-Q Design', 11_264],
    ['rtx-3060', 'NVIDIA GeForce RTX 3060', 8192],
    ['h100', 'NVIDIA H100 80GB HBM3 MIG 1g.10gb', 9728],
    ['h100', 'NVIDIA H100 80GB HBM3 MIG 7g.80gb', 81_050],
    ['a100-80gb', 'NVIDIA A100-SXM4-80GB MIG 3g.40gb', 40_192],
    ['p100', 'Tesla P100-PCIE-12GB', 12_198],
    ['a100-80gb', 'NVIDIA A100-SXM4-80GB', 65_536],
    ['rtx-5090', 'NVIDIA GeForce RTX 5090 D v2', 24_564],
    ['h20-3e', 'NVIDIA H20', 97_871],
    ['a800', 'NVIDIA A800 40GB Active', 40_960],
  ])('%s does not take %s with %i MiB', (name, product, memoryMib) => {
    expect(takes(name, shown(product, memoryMib))).toBe(false);
  });

  it('is not what a model by its own name is', () => {
    const laptop = shown('NVIDIA GeForce RTX 4090 Laptop GPU', 16_376);
    const slice = shown('NVIDIA H100 80GB HBM3 MIG 1g.10gb', 9728);
    expect(matchesDevice(laptop, { count: 1, models: ['rtx-4090-laptop-gpu'] })).toBe(true);
    expect(matchesDevice(slice, { count: 1, models: ['h100-80gb-hbm3-mig-1g-10gb'] })).toBe(true);
    expect(matchesDevice(slice, { count: 1, models: ['h100-80gb-hbm3'] })).toBe(false);
    const part = shown('NVIDIA A100-10C', 10_240);
    expect(matchesDevice(part, { count: 1, models: ['a100'] })).toBe(false);
    expect(matchesDevice(part, { count: 1, models: ['a100-10c'] })).toBe(true);
  });
});

it('keeps work for several GPUs from one whose NVLink is degraded', () => {
  const degraded: Device = { ...a100, fabric: 'degraded' };
  expect(matchesDevice(degraded, { count: 1 })).toBe(true);
  expect(matchesDevice(degraded, { count: 2, fabric: 'sound' })).toBe(false);
  expect(matchesDevice(a100, { count: 2, fabric: 'sound' })).toBe(true);
});

it('does not take what a device does not say for enough', () => {
  const { computeCapability: _c, cuda: _d, ...mute } = a100;
  expect(matchesDevice(mute, { count: 1, computeCapability: '1.0' })).toBe(false);
  expect(matchesDevice(mute, { count: 1, cuda: '1.0' })).toBe(false);
});

it('chooses the smallest devices that do, and none that is taken', () => {
  const devices = [
    a100,
    { ...a100, id: 'GPU-c', memoryBytes: 24 * gib },
    { ...a100, id: 'GPU-b', memoryBytes: 24 * gib },
  ];
  const choose = (count: number, taken: string[] = []) =>
    chooseDevices(offer({ devices }), { count }, (id) => (taken.includes(id) ? 1000 : 0));
  expect(choose(2)).toEqual(['GPU-b', 'GPU-c']);
  expect(choose(2, ['GPU-b'])).toEqual(['GPU-c', 'GPU-a']);
  expect(choose(3, ['GPU-b'])).toBeUndefined();
});
