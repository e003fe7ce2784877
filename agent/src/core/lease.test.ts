import { expect, test } from 'vitest';
import { Lease } from './lease.ts';
import { leaseLimitMs } from './lease-limit.ts';

test('without a lease nothing lapses, and a remembered one lapses in its time', () => {
  expect(new Lease(undefined).hasLapsed(1e12)).toBe(false);
  expect(new Lease(500).hasLapsed(499)).toBe(false);
  expect(new Lease(500).hasLapsed(500)).toBe(true);
});

// LEASE-2
test('an acknowledgement covers the heartbeats before it, counts from when they were sent, and never shortens', () => {
  const lease = new Lease(undefined);
  lease.open(1000, 10);
  expect(lease.untilMs).toBe(1010);
  lease.sent(1, 100);
  lease.sent(2, 200);
  lease.sent(3, 300);
  expect(lease.acknowledged(0)).toBe(false);
  expect(lease.acknowledged(2)).toBe(true);
  expect(lease.untilMs).toBe(1200);
  expect(lease.acknowledged(1)).toBe(false);
  expect(lease.acknowledged(3)).toBe(true);
  expect(lease.untilMs).toBe(1300);
  lease.open(1000, 50);
  expect(lease.untilMs).toBe(1300);
});

test('a heartbeat of an earlier session extends nothing', () => {
  const lease = new Lease(undefined);
  lease.open(1000, 0);
  lease.sent(1, 900);
  lease.open(1000, 1);
  expect(lease.acknowledged(1)).toBe(false);
  expect(lease.untilMs).toBe(1001);
});

test('a node that holds work tries again several times before its lease lapses', () => {
  expect(leaseLimitMs(30_000, undefined)).toBe(30_000);
  expect(leaseLimitMs(30_000, 60_000)).toBe(10_000);
  expect(leaseLimitMs(5_000, 60_000)).toBe(5_000);
  expect(leaseLimitMs(30_000, 100)).toBe(1000);
  // Nothing is left to save.
  expect(leaseLimitMs(30_000, 0)).toBe(30_000);
});
