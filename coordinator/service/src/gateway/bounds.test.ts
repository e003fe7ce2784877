import { describe, expect, it, test } from 'vitest';
import { type Handshake, HandshakeTable } from './handshake-table.ts';
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

interface TestHandshake extends Handshake {
  evicted: boolean;
}
function handshakeFrom(address: string, isKnown = false): TestHandshake {
  return {
    address,
    isKnown,
    evicted: false,
    onEvicted() {
      this.evicted = true;
    },
  };
}
const bounds = {
  unauthenticated: 4,
  unauthenticatedPerAddress: 2,
  unauthenticatedKnown: 1,
  handshakeBytes: 100,
};

describe('HandshakeTable', () => {
  it('lets the oldest silent handshake of a full address make room, and no other', () => {
    const table = new HandshakeTable(bounds);
    const [other, first, second, third] = ['b', 'a', 'a', 'a'].map((address) => handshakeFrom(address));
    for (const handshake of [other, first, second]) expect(table.enter(handshake as Handshake)).toBe(true);
    table.hear(first as Handshake);
    expect(table.enter(third as Handshake)).toBe(true);
    expect([other, first, second, third].map((each) => each?.evicted)).toEqual([false, false, true, false]);
    table.hear(third as Handshake);
    // Both of the address are being checked now.
    expect(table.enter(handshakeFrom('a'))).toBe(false);
    table.leave(first as Handshake);
    table.leave(first as Handshake);
    expect(table.enter(handshakeFrom('a'))).toBe(true);
    expect(table.total).toBe(3);
  });

  it('lets the oldest silent stranger make room when it is full, and keeps some for known addresses', () => {
    const table = new HandshakeTable(bounds);
    const known = [1, 2].map((n) => handshakeFrom(`known${n}`, true));
    const strange = [1, 2].map((n) => handshakeFrom(`strange${n}`));
    for (const each of [...known, ...strange]) table.enter(each);
    const newcomer = handshakeFrom('new');
    expect(table.enter(newcomer)).toBe(true);
    expect([...known, ...strange].map((each) => each.evicted)).toEqual([false, false, true, false]);
    for (const each of [strange[1], newcomer]) table.hear(each as Handshake);
    // Two known ones are silent, and room is kept for one.
    expect(table.enter(handshakeFrom('newer'))).toBe(true);
    expect(known.map((each) => each.evicted)).toEqual([true, false]);
    const old = handshakeFrom('known3', true);
    expect(table.enter(old)).toBe(true);
    expect(known.map((each) => each.evicted)).toEqual([true, false]);
    table.hear(old);
    expect(table.enter(handshakeFrom('newest'))).toBe(false);
    expect(table.enter(handshakeFrom('known4', true))).toBe(true);
    expect(known.map((each) => each.evicted)).toEqual([true, true]);
    expect(table.total).toBe(4);
  });

  it('checks so many strangers at a time that room for known addresses is left', () => {
    const table = new HandshakeTable(bounds);
    const strange = ['a', 'b', 'c', 'd'].map((address) => handshakeFrom(address));
    for (const each of strange) table.enter(each);
    expect(strange.map((each) => table.hear(each))).toEqual([true, true, true, false]);
    table.leave(strange[3] as Handshake);
    const known = handshakeFrom('known', true);
    table.enter(known);
    expect(table.hear(known)).toBe(true);
    table.leave(strange[0] as Handshake);
    const next = handshakeFrom('e');
    table.enter(next);
    expect(table.hear(next)).toBe(true);
  });

  it('bounds what came of first frames that are not complete', () => {
    const table = new HandshakeTable(bounds);
    const [first, second, third] = ['a', 'b', 'c'].map((address) => handshakeFrom(address));
    for (const each of [first, second, third]) table.enter(each as Handshake);
    table.receive(second as Handshake, 60);
    table.receive(third as Handshake, 40);
    table.receive(third as Handshake, 20);
    expect([first, second, third].map((each) => each?.evicted)).toEqual([false, true, false]);
    table.hear(third as Handshake);
    table.receive(third as Handshake, 1000);
    table.receive(first as Handshake, 100);
    expect([first, third].map((each) => each?.evicted)).toEqual([false, false]);
    table.receive(first as Handshake, 1);
    expect(first?.evicted).toBe(true);
  });
});
