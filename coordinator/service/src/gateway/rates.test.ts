import type { NodeId } from '@capacloud/protocol/ids';
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest';
import { defaultGatewayLimits } from './gateway-limits.ts';
import { type Offered, OfferIntake } from './offer-intake.ts';
import { Rates } from './rates.ts';
import { TokenBucket } from './token-bucket.ts';
import { VerifyingQueue } from './verifying-queue.ts';

test('a bucket tells how long to wait, and a debt is paid first', () => {
  const bucket = new TokenBucket(10, 3, 0);
  expect([bucket.has(0, 4), bucket.has(0, 3), bucket.take(0, 2), bucket.take(0, 2)]).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect([bucket.waitMs(0), bucket.waitMs(0, 3)]).toEqual([0, 200]);
  bucket.charge(0, 5);
  expect([bucket.waitMs(0), bucket.waitMs(400), bucket.has(499), bucket.has(500)]).toEqual([
    500,
    100,
    false,
    true,
  ]);
});

test('rates outlive sessions, for the most recent so many nodes and addresses', () => {
  const rates = new Rates(
    { ...defaultGatewayLimits, ratedNodes: 2, ratedAddresses: 1, framesBurst: 1 },
    () => 0,
  );
  const [a, b, c] = ['a', 'b', 'c'] as unknown as [NodeId, NodeId, NodeId];
  const mayA = () => rates.ofNode(a).frames.take(0);
  expect([mayA(), mayA()]).toEqual([true, false]);
  rates.ofNode(b);
  expect(mayA()).toBe(false);
  rates.ofNode(c);
  expect(mayA()).toBe(false);
  rates.ofNode(b);
  rates.ofNode(c);
  expect(mayA()).toBe(true);
  const first = rates.ofAddress('x');
  expect(rates.ofAddress('x')).toBe(first);
  rates.ofAddress('y');
  expect(rates.ofAddress('x')).not.toBe(first);
});

test('a peer that only claims to be a node makes no other node be forgotten', () => {
  const rates = new Rates({ ...defaultGatewayLimits, ratedNodes: 2, sessionsOfNodeBurst: 1 }, () => 0);
  const nodes = Array.from({ length: 20 }, (_, n) => `node_${n}` as NodeId);
  const [a = expect.fail()] = nodes;
  expect([rates.mayOpen(a, 1, 0), rates.ofNode(a).sessions.take(0)]).toEqual([true, true]);
  for (const node of nodes.slice(1)) expect(rates.mayOpen(node, 1, 0)).toBe(true);
  expect(rates.mayOpen(a, 1, 0)).toBe(false);
});

describe('OfferIntake', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const offered = (slots: number) => ({ offer: { slots }, accepting: true }) as Offered;
  function stage(limits: Partial<typeof defaultGatewayLimits> = {}) {
    const rates = new Rates({ ...defaultGatewayLimits, ...limits }, Date.now);
    const logged: number[] = [];
    const open = (node = 'node_a') =>
      new OfferIntake(
        { node: rates.ofNode(node as NodeId), address: rates.ofAddress('x'), intervalMs: 1000 },
        Date.now,
        ({ offer }) => logged.push(offer.slots),
      );
    return { open, logged };
  }

  it('logs the first at once and of those within a second the newest', () => {
    const { open, logged } = stage();
    const intake = open();
    for (let slots = 1; slots <= 50; slots++) intake.push(offered(slots));
    expect(logged).toEqual([1]);
    vi.advanceTimersByTime(999);
    expect(logged).toEqual([1]);
    vi.advanceTimersByTime(1);
    expect(logged).toEqual([1, 50]);
    vi.advanceTimersByTime(60_000);
    expect(logged).toEqual([1, 50]);
    intake.push(offered(51));
    expect(logged).toEqual([1, 50, 51]);
  });

  it('goes on in the next session where the last one ended, and slows down in the long run', () => {
    const { open, logged } = stage({ offersBurst: 3 });
    for (let session = 1; session <= 40; session++) {
      const intake = open();
      intake.push(offered(session));
      vi.advanceTimersByTime(500);
      intake.close();
    }
    // 20 s: three at once a second apart, then one in 10 s.
    expect(logged.length).toBeLessThanOrEqual(5);
    const last = open();
    last.push(offered(99));
    last.close();
    vi.advanceTimersByTime(60_000);
    expect(logged).not.toContain(99);
  });

  it('lets the nodes of an address share', () => {
    const { open, logged } = stage({ offersOfAddressBurst: 5, offersOfAddressPerSecond: 1 });
    for (let node = 0; node < 20; node++) open(`node_${node}`).push(offered(node));
    expect(logged).toHaveLength(5);
    vi.advanceTimersByTime(3000);
    expect(logged.length).toBeLessThanOrEqual(5 + 20);
    vi.advanceTimersByTime(60_000);
    expect(logged).toHaveLength(20);
  });
});

describe('VerifyingQueue', () => {
  const drain = (queue: VerifyingQueue<string>) => {
    const all: string[] = [];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) all.push(next);
    return all;
  };

  it('lets addresses take turns, and known ones every other', () => {
    const queue = new VerifyingQueue<string>(100);
    for (let i = 1; i <= 4; i++) queue.push('a', false, `a${i}`);
    queue.push('b', false, 'b1');
    queue.push('k', true, 'k1');
    queue.push('k', true, 'k2');
    queue.push('l', true, 'l1');
    expect(drain(queue)).toEqual(['k1', 'a1', 'l1', 'b1', 'k2', 'a2', 'a3', 'a4']);
  });

  it('leaves room for other addresses, and in the other lane for known ones', () => {
    const queue = new VerifyingQueue<string>(8);
    const pushed = (address: string, isKnown = false) => queue.push(address, isKnown, address);
    expect([1, 2, 3, 4, 5].map(() => pushed('a'))).toEqual([true, true, true, true, false]);
    expect(['b', 'b', 'b', 'c', 'd', 'e'].map((each) => pushed(each))).toEqual([
      true,
      true,
      false,
      true,
      true,
      false,
    ]);
    expect(pushed('k', true)).toBe(true);
    expect(drain(queue)).toHaveLength(9);
    expect(pushed('a')).toBe(true);
  });
});
