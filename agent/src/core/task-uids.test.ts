import type { NodeId } from '@capacloud/protocol/ids';
import { expect, test } from 'vitest';
import { defaultUidRange, freeUid, maxTaskUid, minTaskUids } from './task-uids.ts';

const node = (end: string) => `node_${end.padStart(40, '0')}` as NodeId;

test.each(['0', 'ffffffff', '8badf00d'])('a default range lies where nobody else has users (%s)', (end) => {
  const { first, last } = defaultUidRange(node(end), false);
  expect(first).toBeGreaterThan(2_000_200_000);
  expect(last).toBeLessThanOrEqual(maxTaskUid);
  expect(last - first + 1).toBeGreaterThanOrEqual(2 * minTaskUids);
  const mapped = defaultUidRange(node(end), true);
  expect(mapped.first).toBeGreaterThan(1000);
  expect(mapped.last).toBeLessThan(60_000);
});

test('agents of one machine have ranges of their own', () => {
  expect(defaultUidRange(node('1'), false).first).toBe(defaultUidRange(node('0'), false).last + 1);
});

test('an id is used again only when there is no fresh one, the first that was let go first', () => {
  const range = { first: 10, last: 13 };
  expect(freeUid(range, new Set(), [])).toBe(10);
  expect(freeUid(range, new Set([10]), [11, 5])).toBe(12);
  expect(freeUid(range, new Set([11]), [12, 11, 10, 13])).toBe(12);
  expect(freeUid(range, new Set([12]), [12, 11, 10, 13])).toBe(11);
  expect(freeUid(range, new Set([10, 11, 12, 13]), [12])).toBeUndefined();
});
