import { expect, it } from 'vitest';
import { runWindow } from './engine-events.ts';

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
