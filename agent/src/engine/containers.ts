import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { ContainerInspectInfo } from 'dockerode';
import { EngineUnavailable } from '../core/ports.ts';
import { callEngine, deadlines, engineStatus } from './engine-call.ts';

/** The container as the engine shows it; undefined when there is none of that name. */
export async function inspectContainer(
  docker: Docker,
  name: string,
  signal: AbortSignal,
): Promise<ContainerInspectInfo | undefined> {
  try {
    return await callEngine(signal, deadlines.queryMs, (abortSignal) =>
      docker.getContainer(name).inspect({ abortSignal }),
    );
  } catch (error) {
    if (engineStatus(error) === 404) return undefined;
    throw error;
  }
}

/** Pause after a wait that the engine refused, so that the caller's loop never spins. */
const shortestWaitMs = 50;

/** Returns when the container has ended, or after `withinMs`; which of them is for the caller to find out. */
export async function waitForEnd(
  docker: Docker,
  name: string,
  withinMs: number,
  signal: AbortSignal,
): Promise<void> {
  try {
    await callEngine(signal, Math.max(shortestWaitMs, withinMs), (abortSignal) =>
      docker.getContainer(name).wait({ condition: 'not-running', abortSignal }),
    );
  } catch (error) {
    if (!(error instanceof EngineUnavailable) && engineStatus(error) === undefined) throw error;
    await delay(shortestWaitMs, undefined, { signal });
  }
}
