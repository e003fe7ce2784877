import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  add,
  amountOf,
  type Capacity,
  copyOf,
  fits,
  howMany,
  keptForOutputs,
  lacking,
  needOf,
  noCapacity,
  offeredBy,
  subtract,
} from './capacity.ts';
import { dimensionNames, dimensionRows, isContention, isShortage, rowOfShortage } from './dimensions.ts';
import type { Offer, Resources } from './resources.ts';

const most = 2 ** 50;

function capacity(least: number) {
  const amount = fc.oneof(fc.integer({ min: least, max: 8 }), fc.integer({ min: least, max: most }));
  return fc
    .array(amount, { minLength: dimensionNames.length, maxLength: dimensionNames.length })
    .map((amounts) => {
      const made = noCapacity();
      for (const [place, amount] of amounts.entries()) made[place] = amount;
      return made;
    });
}

/** What is free may be below zero, what is needed never is. */
const free = capacity(-8);
const need = capacity(0);

function times(count: number, of: Capacity): Capacity {
  const sum = noCapacity();
  for (let n = 0; n < count; n++) add(sum, of);
  return sum;
}

test('a need fits where nothing is lacking, and where it fits at least once', () => {
  fc.assert(
    fc.property(free, need, (have, each) => {
      const isLacking = lacking(have, each).length > 0;
      expect(fits(have, each)).toBe(!isLacking);
      expect(howMany(have, each) >= 1).toBe(!isLacking);
    }),
  );
});

test('as many as fit do fit, and one more lacks something', () => {
  fc.assert(
    fc.property(free, need, (have, each) => {
      const count = howMany(have, each);
      expect(count).toBeGreaterThanOrEqual(0);
      if (count > 1000) return;
      expect(count === 0 || fits(have, times(count, each))).toBe(true);
      expect(fits(have, times(count + 1, each))).toBe(false);
    }),
  );
});

test('what was subtracted and added again leaves what was there, in whole numbers', () => {
  fc.assert(
    fc.property(free, need, (before, each) => {
      const after = copyOf(before);
      subtract(after, each);
      expect(after.every(Number.isSafeInteger)).toBe(true);
      for (const name of dimensionNames)
        expect(amountOf(after, name)).toBe(amountOf(before, name) - amountOf(each, name));
      add(after, each);
      expect(after).toEqual(before);
    }),
  );
});

test('what is lacking is named, and nothing else', () => {
  fc.assert(
    fc.property(need, fc.constantFrom(...dimensionNames), (each, name) => {
      const have = copyOf(each);
      have[dimensionNames.indexOf(name)] = amountOf(each, name) - 1;
      expect(lacking(have, each)).toEqual([name]);
      expect(lacking(each, each)).toEqual([]);
    }),
  );
});

const resources: Resources = { cpuMilli: 500, memoryBytes: 7, diskBytes: 5, shmBytes: 3 };
const offer = { slots: 4, cpuMilli: 2000, memoryBytes: 16, diskBytes: 64, arch: 'amd64' } as Offer;

const amountsOf = (of: Capacity) =>
  Object.fromEntries(dimensionNames.map((name) => [name, amountOf(of, name)]));

test('offers and tasks have an amount of each dimension', () => {
  expect(amountsOf(offeredBy(offer))).toMatchObject({
    slots: 4,
    cpuMilli: 2000,
    memoryBytes: 16,
    diskBytes: 64,
  });
  expect(amountsOf(needOf(resources))).toMatchObject({
    slots: 1,
    cpuMilli: 500,
    memoryBytes: 7,
    diskBytes: 5,
  });
  expect(amountsOf(keptForOutputs(resources))).toMatchObject({
    slots: 0,
    cpuMilli: 0,
    memoryBytes: 0,
    diskBytes: 5,
  });
  expect(howMany(offeredBy(offer), needOf(resources))).toBe(2);
});

test('each code of the table means one dimension', () => {
  const codes = dimensionRows.flatMap(({ contention, shortage }) => [
    contention.code,
    ...(shortage === undefined ? [] : [shortage.code]),
  ]);
  expect(new Set(codes).size).toBe(codes.length);
  expect(codes.filter(isContention)).toEqual(['busy_slots', 'busy_cpu', 'busy_memory', 'busy_disk']);
  expect(codes.filter(isShortage)).toEqual(['cpu', 'memory', 'disk']);
  expect(rowOfShortage.disk.noun).toBe('disk');
});

test('what each task takes can be lacking in an offer, but for the slot', () => {
  for (const row of dimensionRows)
    expect(row.isTakenByAll, row.noun).toBe(row.taken({ ...resources, diskBytes: 0 }) > 0);
});
