import { expect, test } from 'vitest';
import { type DiskRoom, imageBudgetOf, isShort, watermarkOf } from './disk-room.ts';

const gibibyte = 2 ** 30;
const disk = (change: Partial<DiskRoom>): DiskRoom => ({
  totalBytes: 100 * gibibyte,
  freeBytes: 40 * gibibyte,
  inodes: 1_000_000,
  freeInodes: 400_000,
  ...change,
});

test('a share of the disk stays free, neither too little nor more than is of use', () => {
  expect(watermarkOf(disk({}))).toEqual({ bytes: 2 * gibibyte, inodes: 20_000 });
  expect(watermarkOf(disk({ totalBytes: gibibyte, inodes: 10_000 }))).toEqual({
    bytes: 64 * 2 ** 20,
    inodes: 1000,
  });
  expect(watermarkOf(disk({ totalBytes: 10_000 * gibibyte, inodes: 0 }))).toEqual({
    bytes: 2 * gibibyte,
    inodes: 0,
  });
  expect(isShort(disk({}))).toBe(false);
  expect(isShort(disk({ freeBytes: 2 * gibibyte - 1 }))).toBe(true);
  expect(isShort(disk({ freeInodes: 19_999 }))).toBe(true);
  expect(isShort(disk({ freeInodes: 30_000 }), 2)).toBe(true);
  expect(isShort(disk({ inodes: 0, freeInodes: 0 }))).toBe(false);
});

test('images have a share of what is free beside them, and never more than there is', () => {
  const quarter = { kind: 'percent', value: 25 } as const;
  expect(imageBudgetOf(quarter, disk({}), 0)).toEqual({ bytes: 10 * gibibyte, inodes: 100_000 });
  expect(imageBudgetOf(quarter, disk({ freeBytes: 30 * gibibyte }), 10 * gibibyte).bytes).toBe(10 * gibibyte);
  expect(imageBudgetOf({ kind: 'amount', value: 90 * gibibyte }, disk({}), gibibyte).bytes).toBe(
    41 * gibibyte,
  );
  // btrfs counts no inodes; an image of usual size has fewer files than this all the same.
  expect(imageBudgetOf(quarter, disk({ inodes: 0, freeInodes: 0 }), 0).inodes).toBe(655_360);
});
