import type { Clock } from './clock.ts';

/** When a container was seen to run, on a clock that never jumps. */
export interface RunStart {
  readonly bootId: string;
  readonly atBootMs: number;
}

export function runStart(clock: Clock): RunStart {
  return { bootId: clock.bootId, atBootMs: clock.bootMs() };
}

/**
 * What is left of the run time, which goes on while the agent is down. All of it where the start was not noted: the
 * engine's own note of it is of a wall clock, and one that was set meanwhile would end a program that had time left.
 */
export function remainingRunMs(limitMs: number, start: RunStart | undefined, clock: Clock): number {
  if (start === undefined || start.bootId !== clock.bootId) return limitMs;
  // STOP-1
  // guard: let the run time go on while the agent is away
  return Math.max(0, Math.min(limitMs, limitMs - (clock.bootMs() - start.atBootMs)));
}
