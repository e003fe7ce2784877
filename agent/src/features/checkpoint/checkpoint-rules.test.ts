import type { Assignment } from '@capacloud/protocol/wire/frames';
import { expect, test } from 'vitest';
import { newAttempt, type StopCause } from '../../core/attempt-record.ts';
import { bringsWithinMs, largestArchiveBytes } from './checkpoint-rules.ts';

const checkpoint = { path: '/ckpt', maxBytes: 1, timeoutMs: 1 };
const ending = { oomKilled: false, engineLost: false, pidsExhausted: false };

// SAVE-1
test.each<[StopCause | undefined, boolean]>([
  ['stopped', true],
  ['dropped', true],
  ['lease_lapsed', false],
  ['run_timeout', false],
  [undefined, false],
])('a stop by %s saves the checkpoint: %s', (stop, saves) => {
  const record = newAttempt({ checkpoint } as Assignment, 0);
  const stopped = stop === undefined ? record : { ...record, stop };
  expect(bringsWithinMs(stopped, ending)).toBe(saves ? checkpoint.timeoutMs : undefined);
  expect(bringsWithinMs(stopped, { ...ending, engineLost: true })).toBeUndefined();
  const without = { ...stopped, assignment: {} as Assignment };
  expect(bringsWithinMs(without, ending)).toBeUndefined();
});

test('an archive may be larger than its content, but not by much', () => {
  expect(largestArchiveBytes(0)).toBeLessThan(2 ** 27);
  expect(largestArchiveBytes(2 ** 40)).toBeGreaterThan(2 ** 40);
});
