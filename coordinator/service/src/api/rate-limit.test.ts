import { expect, it } from 'vitest';
import { TokenBuckets } from './rate-limit.ts';

it('allows the burst, then the rate', () => {
  let now = 0;
  const buckets = new TokenBuckets({ perSecond: 2, burst: 3 }, 10, () => now);
  const take = () => buckets.take('a').allowed;
  expect([take(), take(), take(), take()]).toEqual([true, true, true, false]);
  expect(buckets.take('a')).toEqual({ allowed: false, remaining: 0, resetS: 1 });
  now = 500;
  expect([take(), take()]).toEqual([true, false]);
  now = 60_000;
  expect(buckets.take('a')).toEqual({ allowed: true, remaining: 2, resetS: 1 });
  expect(buckets.take('b').remaining).toBe(2);
});

it('is not refilled by a clock that goes back', () => {
  let now = 10_000;
  const buckets = new TokenBuckets({ perSecond: 1, burst: 1 }, 10, () => now);
  expect(buckets.take('a').allowed).toBe(true);
  now = 0;
  expect(buckets.take('a').allowed).toBe(false);
});

it('knows so many keys and forgets the one unused for longest', () => {
  let now = 0;
  const buckets = new TokenBuckets({ perSecond: 0.001, burst: 1 }, 2, () => now);
  buckets.take('a');
  buckets.take('b');
  now = 1000;
  expect(buckets.take('a').allowed).toBe(false);
  buckets.take('c');
  expect(buckets.size).toBe(2);
  expect(buckets.take('a').allowed).toBe(false);
  expect(buckets.take('b').allowed).toBe(true);
});

it('lets a debt be paid before the next', () => {
  let now = 0;
  const buckets = new TokenBuckets({ perSecond: 10, burst: 5 }, 10, () => now);
  expect(buckets.take('a').allowed).toBe(true);
  buckets.charge('a', 24);
  now = 1900;
  expect(buckets.take('a')).toEqual({ allowed: false, remaining: 0, resetS: 1 });
  now = 2100;
  expect(buckets.take('a').allowed).toBe(true);
});
