import { setTimeout as delay } from 'node:timers/promises';
import { EngineUnavailable } from '../core/ports.ts';
import type { Engine } from './engine.ts';
import { engineStatus } from './engine-call.ts';

/** Pause after a wait that the engine refused, so that the caller's loop never spins. */
const shortestWaitMs = 50;

/** Returns when the container has ended, or after `withinMs`; which of them is for the caller to find out. */
export async function waitForEnd(
  engine: Engine,
  name: string,
  withinMs: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await engine.waitContainer(name, Math.max(shortestWaitMs, withinMs), signal);
  } catch (error) {
    if (!(error instanceof EngineUnavailable) && engineStatus(error) === undefined) throw error;
    await delay(shortestWaitMs, undefined, { signal });
  }
}
