import { createState } from '@capacloud/core/state';
import { expect, it } from 'vitest';
import type { CommittedEvent } from '../ports/sequencer.ts';
import { planWait } from './plan-wait.ts';
import { RecentStarts } from './recent-starts.ts';

const minute = 60_000;
const times = { waitMs: (before: number) => before * 10 * minute };

it('goes by the late pace of the queue, but never beyond when what runs has to end', () => {
  const room = { tasksNow: 0, tasksWhole: 4, times: times as never };
  const pace = { eachMs: minute, starts: 9 };
  expect(planWait(room, { tasks: 3, isGang: false, queuedBefore: 5, pace })).toMatchObject({
    basis: 'late_pace',
    first_ms: 6 * minute,
    all_ms: 8 * minute,
    queued_before: 5,
  });
  expect(
    planWait(room, { tasks: 3, isGang: false, queuedBefore: 5, pace: { ...pace, eachMs: 60 * minute } }),
  ).toMatchObject({
    first_ms: 50 * minute,
    all_ms: 70 * minute,
  });
  expect(planWait(room, { tasks: 3, isGang: false, queuedBefore: 0, pace: undefined })).toMatchObject({
    basis: 'running_ends',
    first_ms: 0,
    all_ms: 20 * minute,
  });
  expect(planWait(room, { tasks: 3, isGang: true, queuedBefore: 0, pace: undefined })).toMatchObject({
    first_ms: 20 * minute,
    all_ms: 20 * minute,
  });
  expect(planWait(room, { tasks: 5, isGang: true, queuedBefore: 0, pace: undefined }).basis).toBe('nowhere');
});

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
