import type { Device } from '@capacloud/protocol/resources';
import { expect, it } from 'vitest';
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
