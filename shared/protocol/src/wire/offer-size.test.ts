import { expect, it } from 'vitest';
import type { Device, Offer } from '../capacity/resources.ts';
import { canonicalJson } from '../log/canonical.ts';
import { offerFault, offerLimits, offerSize } from './offer-size.ts';

const device: Device = { id: 'GPU-1', vendor: 'nvidia', model: 'h100', memoryBytes: 1, health: 'healthy' };
const offerOf = (devices: Device[], more: Partial<Offer> = {}): Offer => ({
  cpuMilli: 1,
  memoryBytes: 1,
  diskBytes: 1,
  slots: 1,
  devices,
  arch: 'amd64',
  allowRoot: false,
  ask: { cpuHourNano: '1', memoryGibHourNano: '1', diskGibHourNano: '1', deviceHourNano: '1' },
  ...more,
});

it('counts what devices have in common once, and their ids and reasons each', () => {
  const one = offerSize(offerOf([device]));
  const text = canonicalJson(offerOf([device]));
  expect(one).toEqual({ describedBytes: text.length, writtenBytes: text.length, deviceKinds: 1 });
  const two = offerSize(offerOf([device, { ...device, id: 'GPU-2' }]));
  expect(two.describedBytes).toBe(one.describedBytes + canonicalJson({ id: 'GPU-2' }).length + 1 + 1);
  expect(two.writtenBytes).toBe(canonicalJson(offerOf([device, { ...device, id: 'GPU-2' }])).length);
  const ill = offerSize(offerOf([device, { ...device, id: 'GPU-2', reason: 'é'.repeat(10) }]));
  expect(ill.describedBytes).toBe(two.describedBytes + ',"reason":""'.length + 20);
  expect(ill.deviceKinds).toBe(1);
  expect(offerSize(offerOf([device, { ...device, id: 'GPU-2', health: 'suspect' }])).deviceKinds).toBe(2);
});

it('takes an offer up to each bound, and says which one is passed', () => {
  const many = (count: number, change: (n: number) => Partial<Device>) =>
    Array.from({ length: count }, (_, n) => ({ ...device, id: `GPU-${n}`, ...change(n) }));
  const exactly = (bytes: number): Offer => {
    const padded = offerOf([device], { arch: '' });
    return { ...padded, arch: 'a'.repeat(bytes - offerSize(padded).describedBytes) };
  };
  expect(offerFault(exactly(offerLimits.describedBytes))).toBeUndefined();
  expect(offerFault(exactly(offerLimits.describedBytes + 1))).toContain('8193 bytes');
  const kinds = offerLimits.deviceKinds;
  expect(offerFault(offerOf(many(kinds, (n) => ({ memoryBytes: n }))))).toBeUndefined();
  expect(offerFault(offerOf(many(kinds + 1, (n) => ({ memoryBytes: n }))))).toContain('17 kinds');
  const long = many(64, () => ({ model: 'm'.repeat(96), id: 'i'.repeat(90) }));
  expect(offerFault(offerOf(long.map((each, n) => ({ ...each, id: `${each.id}${n}` }))))).toContain(
    'at most 16384',
  );
});
