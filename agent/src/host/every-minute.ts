import { setTimeout as sleep } from 'node:timers/promises';
import { toNextMinuteMs } from '../core/ask-schedule.ts';
import type { Clock } from '../core/clock.ts';

/** The minute has begun for certain, whatever the timer's rounding. */
const lateMs = 20;

/** Calls at the beginning of each minute of the wall clock. One that is set meanwhile is noticed within a minute. */
export async function everyMinute(
  clock: Pick<Clock, 'nowMs'>,
  call: () => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(toNextMinuteMs(clock.nowMs()) + lateMs, undefined, { signal }).catch(() => {});
    if (!signal.aborted) call();
  }
}
