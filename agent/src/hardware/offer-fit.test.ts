import type { Device, Offer } from '@capacloud/protocol/capacity/resources';
import { offerFault, offerSize } from '@capacloud/protocol/wire/offer-size';
import { expect, it } from 'vitest';
import { fitOffer, fitOffers } from './offer-fit.ts';

const labels = Object.fromEntries(
  Array.from({ length: 16 }, (_, n) => [`l${`${n}`.padStart(2, '0')}`.padEnd(63, 'k'), 'v'.repeat(63)]),
);
const gpus = (change: Partial<Device> = {}): Device[] =>
  Array.from({ length: 64 }, (_, n) => ({
    id: `MIG-${`${n}`.padStart(36, '0')}`,
    vendor: 'nvidia',
    model: 'h100-80gb-hbm3-mig-1g-10gb',
    memoryBytes: 10 * 2 ** 30,
    computeCapability: '9.0',
    cuda: '12.8',
    health: 'healthy',
    shareable: true,
    ...change,
  }));
const offerOf = (devices: Device[]): Offer => ({
  cpuMilli: 4_096_000,
  memoryBytes: 2 ** 50,
  diskBytes: 2 ** 50,
  slots: 1024,
  devices,
  arch: 'amd64',
  allowRoot: false,
  minRunMs: 86_400_000,
  ask: {
    cpuHourNano: '1000000000000000000',
    memoryGibHourNano: '1000000000000000000',
    diskGibHourNano: '1000000000000000000',
    deviceHourNano: '1000000000000000000',
  },
  interruptibleDiscountPercent: 50,
  region: 'eu-central-with-a-long-name-here',
  labels,
});

it('leaves the offer of 64 slices of GPUs with every label as it is', () => {
  const offer = offerOf(gpus());
  expect(offerSize(offer).describedBytes).toBeLessThan(8192);
  expect(fitOffer(offer)).toEqual({ offer, droppedLabels: [] });
});

it('shortens what is said of ill devices before anything that jobs ask for', () => {
  const offer = offerOf(gpus({ health: 'quarantined', reason: 'The driver lost it. '.repeat(10) }));
  expect(offerFault(offer)).toBeDefined();
  const { offer: fitted, droppedLabels } = fitOffer(offer);
  expect(offerFault(fitted)).toBeUndefined();
  expect(droppedLabels).toEqual([]);
  expect(fitted.labels).toEqual(labels);
  expect(fitted.devices.map(({ id, health }) => [id, health])).toEqual(
    offer.devices.map(({ id, health }) => [id, health]),
  );
  // Where a few are ill, the reasons stay readable.
  const some = gpus().map((device, n) => (n < 16 ? { ...device, reason: 'r'.repeat(200) } : device));
  expect(fitOffer({ ...offerOf(some), labels: { tier: 'gold' } }).offer.devices[0]?.reason).toBe(
    'r'.repeat(80),
  );
});

it('drops labels where nothing else helps, names them, and never drops a device', () => {
  const offer = offerOf(gpus().map((device) => ({ ...device, id: device.id.padEnd(72, 'x') })));
  const { offer: fitted, droppedLabels } = fitOffer(offer);
  expect(offerFault(fitted)).toBeUndefined();
  expect(fitted.devices).toEqual(offer.devices);
  expect(droppedLabels.length).toBeGreaterThan(0);
  expect([...Object.keys(fitted.labels ?? {}), ...droppedLabels].sort()).toEqual(Object.keys(labels).sort());
});

it('tells of labels that are left out, once', () => {
  const told: unknown[] = [];
  const large = offerOf(gpus().map((device) => ({ ...device, id: device.id.padEnd(72, 'x') })));
  let made = large;
  const fitted = fitOffers({ warn: (what: unknown) => told.push(what) } as never, () => made);
  for (let i = 0; i < 3; i++) expect(offerFault(fitted())).toBeUndefined();
  expect(told).toEqual([{ labels: fitOffer(large).droppedLabels }]);
  made = offerOf([]);
  expect(fitted()).toEqual(made);
  expect(told).toHaveLength(1);
});
