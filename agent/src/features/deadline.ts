import { setTimeout as sleep } from 'node:timers/promises';
import { type Backoff, backoffMs } from '@capacloud/waiting/backoff';
import { EngineUnavailable } from '../core/ports.ts';

/** The clock of a stage ran out. */
export class StageTimeout extends Error {
  override readonly name = 'StageTimeout';
}

const tickMs = 250;

/**
 * Runs `work` under a clock of its own, which stands still while `isRunning` says false. Throws StageTimeout when
 * it is over, and the signal's reason when that was aborted.
 */
export async function withClock<T>(
  limitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
  isRunning: () => boolean = () => true,
): Promise<T> {
  const clock = new AbortController();
  let usedMs = 0;
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    if (isRunning()) usedMs += nowMs - lastMs;
    lastMs = nowMs;
    if (usedMs >= limitMs) clock.abort(new StageTimeout('the stage took too long'));
  }, tickMs);
  try {
    return await work(AbortSignal.any([signal, clock.signal]));
  } catch (error) {
    signal.throwIfAborted();
    if (clock.signal.aborted) throw clock.signal.reason;
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** An engine restarts within seconds. */
const engineAway: Backoff = { baseMs: 200, limitMs: 5000 };

/** Repeats `work` for as long as the engine cannot be reached. */
export async function untilEngineAnswers<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof EngineUnavailable)) throw error;
    }
    await sleep(backoffMs(engineAway, failures, Math.random), undefined, { signal });
  }
}
