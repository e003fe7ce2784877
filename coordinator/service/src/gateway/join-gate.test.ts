import { expect, it } from 'vitest';
import { heapGauge } from './heap-share.ts';
import { JoinGate, networkOf } from './join-gate.ts';

const limits = { addressJoinsPerHour: 4, networkJoinsPerHour: 6, allJoinsPerHour: 8, maxHeapShare: 2 / 3 };
const hourMs = 3_600_000;

function gateAt(start = 0) {
  const world = { nowMs: start, share: 0.1 };
  const gate = new JoinGate({ limits, heapShare: () => world.share, now: () => world.nowMs });
  const joins = (address: string, times: number) =>
    Array.from({ length: times }, () => gate.join(address)).filter((refusal) => refusal === undefined).length;
  return { world, gate, joins };
}

it('bounds the joins of an address, of its network, and of all', () => {
  const { gate, joins } = gateAt();
  expect(joins('198.51.100.7', 9)).toBe(4);
  expect(gate.refusal('198.51.100.7')).toMatchObject({
    code: 'service.overloaded',
    message: expect.stringContaining('4 nodes an hour from this address') as string,
    hint: expect.stringMatching(/Connect again in 900 s.*joins\.address_per_hour/) as string,
  });
  expect(joins('198.51.100.8', 9)).toBe(2);
  expect(gate.refusal('198.51.100.9')?.hint).toContain('joins.network_per_hour');
  expect(joins('198.51.101.9', 9)).toBe(2);
  expect(gate.refusal('2001:db8:1:2::/64')?.hint).toContain('joins.all_per_hour');
});

it('counts the /64 of IPv6, and all of a /48 together', () => {
  const { joins } = gateAt();
  expect(joins('2001:db8:1:1::/64', 9)).toBe(4);
  expect(joins('2001:db8:1:2::/64', 9)).toBe(2);
  expect(joins('2001:db8:2:2::/64', 9)).toBe(2);
  expect(networkOf('2001:db8:1:1::/64')).toBe('2001:db8:1::/48');
  expect(networkOf('192.0.2.77')).toBe('192.0.2.0/24');
  expect(networkOf('unnamed')).toBe('unnamed');
});

it('gives back over an hour what was used, and gains nothing from a clock that steps back', () => {
  const { world, joins } = gateAt(hourMs);
  expect(joins('a', 9)).toBe(4);
  world.nowMs -= hourMs;
  expect(joins('a', 9)).toBe(0);
  world.nowMs += hourMs + hourMs / 4;
  expect(joins('a', 9)).toBe(1);
  world.nowMs += 10 * hourMs;
  expect(joins('a', 9)).toBe(4);
});

it('bounds the nodes of an address that are connected and were never paid, however slowly they come', () => {
  const { world, gate, joins } = gateAt();
  const leaves: (() => void)[] = [];
  for (let i = 0; i < 4; i++) {
    expect(joins('a', 1)).toBe(1);
    leaves.push(gate.enter('a'));
    world.nowMs += hourMs;
  }
  expect(gate.refusal('a')?.message).toContain('4 nodes from this address are connected');
  expect(gate.refusal('b')).toBeUndefined();
  leaves[0]?.();
  expect(gate.refusal('a')).toBeUndefined();
});

it('lets nobody in when two thirds of the heap are used', () => {
  const { world, gate, joins } = gateAt();
  world.share = 0.66;
  expect(gate.refusal('a')).toBeUndefined();
  world.share = 0.67;
  expect(gate.join('a')).toMatchObject({
    code: 'service.overloaded',
    message: expect.stringContaining('67 %') as string,
  });
  world.share = 0.3;
  expect(joins('a', 9)).toBe(4);
  const share = heapGauge()();
  expect(share).toBeGreaterThan(0);
  expect(share).toBeLessThan(1);
});

it('forgets the addresses that joined the longest ago, and bounds all of them together still', () => {
  const world = { nowMs: 0 };
  const gate = new JoinGate({
    limits: { ...limits, networkJoinsPerHour: 1_000_000, allJoinsPerHour: 40_000 },
    heapShare: () => 0,
    now: () => world.nowMs,
  });
  let joined = 0;
  for (let round = 0; round < 3; round++)
    for (let n = 0; n < 20_000; n++) if (gate.join(`10.${n >> 8}.0.${n & 255}`) === undefined) joined += 1;
  expect(joined).toBe(40_000);
});

it('keeps a quarter for networks of which few come, of the joins as of the room', () => {
  const crowds = {
    ...limits,
    addressJoinsPerHour: 1000,
    networkJoinsPerHour: 1000,
    allJoinsPerHour: 1000,
  };
  const room = { size: 0, atMost: 100 };
  const gate = new JoinGate({ limits: crowds, heapShare: () => 0, now: () => 0 });
  const joins = (address: string, times: number) =>
    Array.from({ length: times }, () => gate.join(address, room)).filter((refusal) => refusal === undefined)
      .length;
  expect(joins('198.51.100.7', 1000)).toBe(750);
  expect(gate.refusal('198.51.100.8', room)?.hint).toContain('joins.all_per_hour');
  expect(joins('203.0.113.7', 100)).toBe(10);
  expect(joins('2001:db8:1:1::/64', 100)).toBe(10);
  for (let n = 0; n < 9; n++) gate.enter('192.0.2.1');
  room.size = 75;
  expect(gate.refusal('192.0.2.2', room)).toBeUndefined();
  const leave = gate.enter('192.0.2.1');
  expect(gate.refusal('192.0.2.2', room)?.hint).toContain('rules.max_unproven_nodes');
  expect(gate.refusal('192.0.3.2', room)).toBeUndefined();
  leave();
  expect(gate.refusal('192.0.2.2', room)).toBeUndefined();
  room.size = 74;
  gate.enter('192.0.2.1');
  expect(gate.refusal('192.0.2.2', room)).toBeUndefined();
});
