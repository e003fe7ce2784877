import { expect, test } from 'vitest';
import { remainingRunMs, runStart } from './run-clock.ts';

const at = (bootMs: number, bootId = 'boot', nowMs = 0) => ({
  bootId,
  bootMs: () => bootMs,
  nowMs: () => nowMs,
});

// STOP-1
test('the run time goes on while the agent is down', () => {
  const start = runStart(at(1000));
  expect(remainingRunMs(500, start, at(1000))).toBe(500);
  expect(remainingRunMs(500, start, at(1200))).toBe(300);
  expect(remainingRunMs(500, start, at(9000))).toBe(0);
});

test('a wall clock that was set meanwhile takes nothing from it', () => {
  const start = runStart(at(1000, 'boot', 0));
  expect(remainingRunMs(500, start, at(1200, 'boot', 3_600_000))).toBe(300);
});

test('all of it is left where the start was not noted in this life of the machine', () => {
  expect(remainingRunMs(500, undefined, at(9000))).toBe(500);
  expect(remainingRunMs(500, runStart(at(1000, 'before')), at(9000, 'after'))).toBe(500);
});
