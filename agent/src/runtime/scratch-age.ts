import type { Assignment } from '@capacloud/protocol/frames';
import type Docker from 'dockerode';
import type { ContainerInspectInfo } from 'dockerode';
import { containerName } from './attempt-names.ts';
import { callEngine, deadlines, engineStatus } from './engine-call.ts';
import { planMounts } from './mount-plan.ts';

/**
 * Whether a scratch that the task would get is younger than its keeper. An engine that restarts under running
 * containers (live-restore) forgets that the keeper holds a tmpfs, and mounts a second one for the task: what the task
 * wrote there would be gone with it, and the keeper would show an empty folder. All are lost together, so one is asked.
 */
export async function hasNewScratch(
  docker: Docker,
  assignment: Assignment,
  keeper: Pick<ContainerInspectInfo, 'State'>,
  signal: AbortSignal,
): Promise<boolean> {
  const [mount] = planMounts(assignment).scratch;
  if (mount === undefined) return false;
  const madeMs = await changedMs(docker, containerName(assignment), mount.folder, signal);
  return madeMs !== undefined && madeMs > Date.parse(keeper.State.StartedAt);
}

/** When a folder of a container was last changed, in milliseconds since 1970; undefined where the engine cannot tell. */
async function changedMs(
  docker: Docker,
  container: string,
  path: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  try {
    const response = await callEngine(signal, deadlines.queryMs, (abortSignal) =>
      docker.getContainer(container).infoArchive({ path, abortSignal }),
    );
    response.resume();
    const { headers } = response as NodeJS.ReadableStream & { headers?: Record<string, unknown> };
    const stat = JSON.parse(
      Buffer.from(String(headers?.['x-docker-container-path-stat']), 'base64').toString(),
    );
    const ms = Date.parse(stat.mtime);
    return Number.isFinite(ms) ? ms : undefined;
  } catch (error) {
    // A folder that is not there, as on a full disk: then the start itself will tell.
    if (engineStatus(error) !== undefined || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
