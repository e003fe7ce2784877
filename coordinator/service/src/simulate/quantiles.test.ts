import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Draws } from './draws.ts';
import { Quantiles } from './quantiles.ts';

it('gives quantiles within a hundredth, and the mean and the greatest exactly', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1e9), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (all, part) => {
        const quantiles = new Quantiles();
        for (const ms of all) quantiles.add(ms);
        const sorted = [...all].sort((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(part * all.length) - 1)] ?? 0;
        expect(Math.abs(quantiles.at(part) - exact)).toBeLessThanOrEqual(1 + exact * 0.01);
        expect(quantiles.maxMs).toBe(sorted.at(-1));
        expect(quantiles.meanMs).toBeCloseTo(all.reduce((sum, ms) => sum + ms, 0) / all.length, 3);
      },
    ),
  );
});

it('draws the distributions that it is asked for, by a name of their own', () => {
  const ten = (name: string) =>
    Array.from(
      { length: 10 },
      (
        (draws) => () =>
          draws.next()
      )(new Draws(7, name)),
    );
  expect(ten('a')).toEqual(ten('a'));
  expect(ten('a')).not.toEqual(ten('b'));
  const draws = new Draws(7, 'test');
  const mean = { kind: 'exponential', meanMs: 60_000 } as const;
  const long = { kind: 'lognormal', medianMs: 600_000, p95Ms: 7_200_000 } as const;
  const [exponential, lognormal] = [new Quantiles(), new Quantiles()];
  for (let n = 0; n < 100_000; n++) {
    exponential.add(draws.durationMs(mean));
    lognormal.add(draws.durationMs(long));
  }
  expect(exponential.meanMs / 60_000).toBeCloseTo(1, 1);
  expect(exponential.at(0.5) / (60_000 * Math.LN2)).toBeCloseTo(1, 1);
  expect(lognormal.at(0.5) / 600_000).toBeCloseTo(1, 1);
  expect(lognormal.at(0.95) / 7_200_000).toBeCloseTo(1, 1);
});
