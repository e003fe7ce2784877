import { assert as check, double, nat, property } from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs } from './backoff.ts';

const policy = { baseMs: 500, limitMs: 30_000 };

test('backoff is jittered over the whole range, grows and is bounded', () => {
  expect(backoffMs(policy, 0, () => 0)).toBe(0);
  expect(backoffMs(policy, 3, () => 0.5)).toBe(2000);
  expect(backoffMs({ ...policy, floorMs: 200 }, 3, () => 0.5)).toBe(2200);
  expect(backoffMs(policy, 1_000_000, () => 0.999999)).toBeLessThanOrEqual(30_000);
});

test('a pause is a whole number from the floor up to floor and limit', () => {
  const chance = double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  check(
    property(
      nat(),
      nat(100_000),
      nat(100_000),
      nat(100_000),
      chance,
      (failures, floorMs, baseMs, limitMs, luck) => {
        const pauseMs = backoffMs({ floorMs, baseMs, limitMs }, failures, () => luck);
        expect(Number.isInteger(pauseMs)).toBe(true);
        expect(pauseMs).toBeGreaterThanOrEqual(floorMs);
        expect(pauseMs).toBeLessThanOrEqual(floorMs + limitMs);
      },
    ),
  );
});
