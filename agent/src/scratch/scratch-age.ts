import type { Engine } from '../engine/engine.ts';
import { engineStatus } from '../engine/engine-call.ts';

/**
 * Whether the engine shows a scratch at this path of the container that was made after `time` (RFC 3339). One that
 * restarts under running containers (live-restore) forgets that the keeper holds a tmpfs and mounts a second, empty one
 * for whoever asks: a task would write into a scratch that goes with it, and what a task wrote before would not be found.
 * Nothing changes a scratch between the start of its keeper and that of the task, nor after the task's end.
 */
export async function isScratchNew(
  engine: Engine,
  { container, path }: { readonly container: string; readonly path: string },
  time: string,
  signal: AbortSignal,
): Promise<boolean> {
  const changedMs = await changeTimeMs(engine, container, path, signal);
  return changedMs !== undefined && changedMs > Date.parse(time);
}

/** Milliseconds since 1970; undefined where the engine cannot tell. */
async function changeTimeMs(
  engine: Engine,
  container: string,
  path: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    const { mtime } = JSON.parse(await engine.pathStat(container, path, signal)) as { mtime?: string };
    const ms = Date.parse(mtime ?? '');
    return Number.isFinite(ms) ? ms : undefined;
  } catch (error) {
    // A folder that is not there, as on a full disk: then what comes next will tell.
    if (engineStatus(error) !== undefined || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
