import { expect, it } from 'vitest';
import { runWindow, windowUntilNow } from './engine-events.ts';

it('looks for events from the start of a run to its end', () => {
  const run = { StartedAt: '2026-11-22T22:16:39.250123456Z', FinishedAt: '2026-11-22T22:16:41.995Z' };
  expect(runWindow(run)).toEqual({ since: 1795385799, until: 1795385801.995 });
  expect(runWindow(run, 0.5).until).toBe(1795385802.495);
});

it('never asks for an end before the beginning, though a quick run may have been noted so', () => {
  // Seen on a busy machine: the program had ended before the engine noted that it had started.
  const run = { StartedAt: '2026-11-22T22:16:43.021Z', FinishedAt: '2026-11-22T22:16:42.995Z' };
  expect(runWindow(run)).toEqual({ since: 1795385802, until: 1795385803.021 });
});

it('looks from the making of a container until now, by the clock of the engine alone', () => {
  expect(windowUntilNow('2026-12-01T01:16:38.2Z', '2026-12-01T01:16:50.5Z')).toEqual({
    since: 1796087798,
    until: 1796087810.5,
  });
  expect(windowUntilNow('2026-12-01T01:16:38.2Z', '2026-12-01T00:16:50Z')).toBeUndefined();
  expect(windowUntilNow('2026-12-01T01:16:38.2Z', '')).toBeUndefined();
});
