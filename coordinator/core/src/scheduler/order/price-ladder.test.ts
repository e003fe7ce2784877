import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Climb, foot, PriceLadder } from './price-ladder.ts';

function climbed(ladder: PriceLadder, climb: Climb = foot()): readonly number[] {
  const rows: number[] = [];
  for (let row = ladder.next(climb); row !== undefined; row = ladder.next(climb)) rows.push(row);
  return rows;
}

it('gives the cheapest first, and those that cost about the same in the order in which they came', () => {
  const ladder = new PriceLadder();
  for (const [row, price] of [1e9, 5e8, 0, 1e9, 1e15, 1.001e9, 0.5].entries()) ladder.put(row, price);
  expect(climbed(ladder)).toEqual([2, 6, 1, 0, 3, 5, 4]);
  ladder.put(0, 1e9);
  expect(climbed(ladder)).toEqual([2, 6, 1, 0, 3, 5, 4]);
  ladder.remove(0);
  ladder.put(0, 1e9);
  expect(climbed(ladder)).toEqual([2, 6, 1, 3, 5, 0, 4]);
  ladder.put(4, 1);
  expect(climbed(ladder)).toEqual([2, 6, 4, 1, 3, 5, 0]);
  expect(climbed(new PriceLadder())).toEqual([]);
});

it('takes every price that can be asked', () => {
  const ladder = new PriceLadder();
  const prices = [0, 1, 2 ** 53, Number.MAX_VALUE];
  for (const [row, price] of prices.entries()) ladder.put(row, price);
  expect(climbed(ladder)).toEqual([0, 1, 2, 3]);
});

it('misses nothing that stays where it is, whatever comes and goes during a climb', () => {
  const row = fc.nat(60);
  const change = fc.oneof(
    fc.record({ row, price: fc.constantFrom(0, 1, 10, 11, 1e6) }),
    fc.record({ row }),
    fc.constant('step' as const),
  );
  fc.assert(
    fc.property(fc.array(row), fc.array(change, { maxLength: 400 }), (first, changes) => {
      const ladder = new PriceLadder();
      const there = new Map<number, number>();
      for (const each of first) {
        ladder.put(each, each % 7);
        there.set(each, each % 7);
      }
      const stays = new Set(there.keys());
      const climb = foot();
      const seen: number[] = [];
      for (const each of changes) {
        if (each === 'step') {
          const next = ladder.next(climb);
          if (next !== undefined) seen.push(next);
        } else if ('price' in each) {
          if (there.get(each.row) !== each.price) stays.delete(each.row);
          ladder.put(each.row, each.price);
          there.set(each.row, each.price);
        } else {
          stays.delete(each.row);
          ladder.remove(each.row);
          there.delete(each.row);
        }
      }
      seen.push(...climbed(ladder, climb));
      for (const each of stays) expect(seen.filter((other) => other === each)).toEqual([each]);
      expect(new Set(climbed(ladder))).toEqual(new Set(there.keys()));
    }),
  );
});

it('does not keep the places of those that left', () => {
  const ladder = new PriceLadder();
  ladder.put(0, 5);
  for (let n = 0; n < 10_000; n++) {
    ladder.put(1, 5);
    ladder.remove(1);
  }
  const climb = foot();
  expect(ladder.next(climb)).toBe(0);
  ladder.next(climb);
  expect(climb.place).toBeLessThan(100);
});
