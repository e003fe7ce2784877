import { expect, test } from 'vitest';
import { Admission } from './admission.ts';
import { TokenBucket } from './token-bucket.ts';

test('a bucket lets a burst pass, then its rate, and gains nothing from a clock that steps back', () => {
  const bucket = new TokenBucket(10, 3, 1000);
  expect([1, 2, 3, 4].map(() => bucket.take(1000))).toEqual([true, true, true, false]);
  expect(bucket.take(1099)).toBe(false);
  expect(bucket.take(1100)).toBe(true);
  expect(bucket.take(500)).toBe(false);
  expect(bucket.take(700)).toBe(true);
  // However long it rested, no more than the burst.
  expect([1, 2, 3, 4].map(() => bucket.take(1_000_000))).toEqual([true, true, true, false]);
});

test('admission bounds all strangers and those of one address, and gives each place back once', () => {
  const admission = new Admission(3, 2);
  const first = admission.enter('a');
  const second = admission.enter('a');
  expect(admission.enter('a')).toBeUndefined();
  expect(admission.enter('b')).toBeDefined();
  expect(admission.enter('c')).toBeUndefined();
  expect(admission.total).toBe(3);
  first?.();
  first?.();
  expect(admission.total).toBe(2);
  expect(admission.enter('a')).toBeDefined();
  expect(admission.enter('a')).toBeUndefined();
  second?.();
  expect(admission.total).toBe(2);
});
