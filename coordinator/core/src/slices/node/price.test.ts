import { dimensionRows } from '@capacloud/protocol/capacity/dimensions';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gib } from '../../testing/harness.ts';
import { addCost, nanoByDimension, parseAsk, pricedUnits, priceRun, rateNano } from './price.ts';

const ask = parseAsk({
  cpuHourNano: '1000',
  memoryGibHourNano: '10',
  diskGibHourNano: '1',
  deviceHourNano: '7',
});

it('adds cpu, memory, disk and devices, exact, and rounds up once', () => {
  const resources = { cpuMilli: 2500, memoryBytes: 4 * gib, diskBytes: 10 * gib, shmBytes: 64 * gib };
  expect(rateNano(ask, resources)).toBe(2500n + 40n + 10n);
  expect(rateNano(ask, { ...resources, devices: { count: 3 } })).toBe(2550n + 21n);
  const shared = (shareMilli: number) => rateNano(ask, { ...resources, devices: { count: 1, shareMilli } });
  expect([shared(1), shared(143), shared(999)]).toEqual([2551n, 2552n, 2557n]);
  // 0.625 of memory and 0.25 of disk are one together.
  expect(rateNano(ask, { cpuMilli: 1000, memoryBytes: gib / 16, diskBytes: gib / 4, shmBytes: 0 })).toBe(
    1001n,
  );
  expect(rateNano(ask, { cpuMilli: 1, memoryBytes: 1, diskBytes: 0, shmBytes: 0 })).toBe(2n);
});

it('estimates in floating point what it charges', () => {
  const prices = { cpuHourNano: '8000', memoryGibHourNano: '64', diskGibHourNano: '16', deviceHourNano: '0' };
  const resources = { cpuMilli: 2500, memoryBytes: 4 * gib, diskBytes: gib / 2, shmBytes: 0 };
  const nano = [0, 0, ...nanoByDimension(prices)];
  expect(addCost(1, pricedUnits(resources), nano, 2)).toBe(1 + Number(rateNano(parseAsk(prices), resources)));
});

it('has a common unit for all prices of the table', () => {
  for (const { price } of dimensionRows)
    if (price !== undefined) expect((1000 * gib) % price.unit, price.ask).toBe(0);
});

it('charges at most the hold, rounds the charge up, the pay down, and loses nothing between', () => {
  expect(priceRun(3_600_000n, 1, 100n, 300)).toEqual({ chargeNano: 1n, payNano: 0n, feeNano: 1n });
  expect(priceRun(1n, 1, 100n, 0)).toEqual({ chargeNano: 1n, payNano: 1n, feeNano: 0n });
  const nano = fc.bigInt({ min: 0n, max: 10n ** 18n });
  fc.assert(
    fc.property(nano, fc.nat(1e9), nano, fc.nat(10_000), (rate, ms, hold, fee) => {
      const { chargeNano, feeNano, payNano } = priceRun(rate, ms, hold, fee);
      expect(chargeNano <= hold).toBe(true);
      expect(payNano + feeNano).toBe(chargeNano);
      expect(payNano >= 0n && feeNano >= 0n).toBe(true);
      expect(chargeNano === hold || chargeNano * 3_600_000n >= rate * BigInt(ms)).toBe(true);
    }),
  );
});
