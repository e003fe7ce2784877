import { randomBytes } from 'node:crypto';
import type { EngineExam } from '../core/engine-facts.ts';
import { type Engine, openEngine } from '../engine/engine.ts';
import { deadlines, engineMessage, engineStatus } from '../engine/engine-call.ts';
import { readEngineFacts } from '../engine/engine-facts.ts';
import { ensureKeeperImage, keeperProgram } from '../scratch/keeper-image.ts';
import { removeContainer } from './attempt-cleanup.ts';
import { seccompOption } from './seccomp/seccomp-profile.ts';

const labelName = 'capacloud.doctor';
/** Longer than a check may take: an older container is one whose check was killed. */
const leftBehindMs = 600_000;

/** The engine behind a socket, for the doctor. */
export function examEngine(socketPath: string): EngineExam {
  const engine = openEngine(socketPath);
  return {
    facts: (signal) => readEngineFacts(engine, signal),
    tryGpus: (devices, signal) => tryGpus(engine, devices, signal),
  };
}

/**
 * The keeper looks at its root and ends. With devices asked for, the engine starts it only through the NVIDIA container
 * toolkit (or its CDI description), so the start alone tells whether tasks with GPUs can run.
 */
async function tryGpus(
  engine: Engine,
  devices: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  await removeLeftBehind(engine, signal);
  const image = await ensureKeeperImage(engine, signal);
  const container = await engine.createContainer(
    {
      name: `capacloud-doctor-${randomBytes(6).toString('hex')}`,
      Image: image,
      Cmd: [keeperProgram, '/'],
      Env: ['NVIDIA_DRIVER_CAPABILITIES=compute,utility'],
      Labels: { [labelName]: 'gpu' },
      HostConfig: {
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges:true', seccompOption],
        DeviceRequests: [{ Driver: '', DeviceIDs: [...devices], Capabilities: [['gpu']] }],
      },
    },
    signal,
  );
  try {
    await engine.startContainer(container, signal);
    return undefined;
  } catch (error) {
    if (engineStatus(error) === undefined) throw error;
    return engineMessage(error);
  } finally {
    // Whatever became of the check, the container may not stay.
    await removeContainer(engine, container, AbortSignal.timeout(deadlines.queryMs)).catch(() => undefined);
  }
}

/** Of checks that were killed, or whose engine made the container after they had given up. */
async function removeLeftBehind(engine: Engine, signal: AbortSignal): Promise<void> {
  const found = await engine.listContainers({ label: [`${labelName}=gpu`] }, signal);
  for (const { Created: createdSeconds, Id: id } of found)
    if (Date.now() - createdSeconds * 1000 > leftBehindMs) await removeContainer(engine, id, signal);
}
