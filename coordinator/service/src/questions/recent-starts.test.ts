import { createState } from '@capacloud/core/state';
import { expect, it } from 'vitest';
import type { CommittedEvent } from '../ports/sequencer.ts';
import { RecentStarts } from './recent-starts.ts';

const minute = 60_000;

it('knows the pace of a shape from tasks that had to wait alone', () => {
  const state = createState();
  let tell: (events: readonly CommittedEvent[]) => void = () => {};
  const starts = new RecentStarts({
    state,
    onCommitted: (listener) => {
      tell = listener;
      return () => {};
    },
  });
  const start = (job: string, shape: string, submittedAt: number, at: number) => {
    const task = `${job}.0`;
    state.tasks.set(task as never, { job } as never);
    state.jobs.set(job as never, { shape, submittedAt } as never);
    tell([{ index: 0, event: { type: 'attempt.assigned', task, attempt: 1, at } as never }]);
  };
  for (let n = 0; n < 6; n++) {
    start(`waited-${n}`, 'a', 0, (n + 1) * minute);
    start(`at-once-${n}`, 'b', n * minute, n * minute);
  }
  expect(starts.paceOf('a', 7 * minute)).toEqual({ eachMs: minute, starts: 6 });
  expect(starts.paceOf('b', 7 * minute)).toBeUndefined();
  expect(starts.paceOf('a', 60 * minute)).toBeUndefined();
});
