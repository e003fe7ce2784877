import { expect, it } from 'vitest';
import type { PlanRoom } from '../ports/market-answers.ts';
import { planWait } from './plan-wait.ts';

const minute = 60_000;
const pace = { eachMs: minute, starts: 9 };

/** Of four nodes that are all busy; each position in the queue takes ten minutes more. */
function roomAfter(queuedBefore: number, tasks: number, change: Partial<PlanRoom> = {}): PlanRoom {
  const firstMs = queuedBefore * 10 * minute;
  const allMs = (queuedBefore + tasks - 1) * 10 * minute;
  return { tasksNow: 0, tasksWhole: 4, queuedBefore, firstMs, allMs, pace: undefined, ...change };
}

it('goes by the recent pace of the queue, but never beyond when what runs has to end', () => {
  const alone = { tasks: 3, isGang: false };
  expect(planWait(roomAfter(5, 3, { pace }), alone)).toMatchObject({
    basis: 'late_pace',
    first_ms: 6 * minute,
    all_ms: 8 * minute,
    queued_before: 5,
  });
  const slow = { ...pace, eachMs: 60 * minute };
  expect(planWait(roomAfter(5, 3, { pace: slow }), alone)).toMatchObject({
    first_ms: 50 * minute,
    all_ms: 70 * minute,
  });
  expect(planWait(roomAfter(0, 3), alone)).toMatchObject({
    basis: 'running_ends',
    first_ms: 0,
    all_ms: 20 * minute,
  });
  expect(planWait(roomAfter(0, 5), { tasks: 5, isGang: true }).basis).toBe('nowhere');
});
