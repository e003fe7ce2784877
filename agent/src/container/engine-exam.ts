import { randomBytes } from 'node:crypto';
import type Docker from 'dockerode';
import type { EngineExam } from '../core/engine-facts.ts';
import { callEngine, deadlines, engineMessage, engineStatus } from '../engine/engine-call.ts';
import { connectEngine } from '../engine/engine-client.ts';
import { readEngineFacts } from '../engine/engine-facts.ts';
import { ensureKeeperImage, keeperProgram } from '../scratch/keeper-image.ts';
import { removeContainer } from './attempt-cleanup.ts';
import { seccompOption } from './seccomp/seccomp-profile.ts';

const labelName = 'capacloud.doctor';
/** Longer than a check may take: an older container is one whose check was killed. */
const leftBehindMs = 600_000;

/** The engine behind a socket, for the doctor. */
export function examEngine(socketPath: string): EngineExam {
  const docker = connectEngine(socketPath);
  return {
    facts: (signal) => readEngineFacts(docker, signal),
    tryGpus: (devices, signal) => tryGpus(docker, devices, signal),
  };
}

/**
 * The keeper looks at its root and ends. With devices asked for, the engine starts it only through the NVIDIA container
 * toolkit (or its CDI description), so the start alone tells whether tasks with GPUs can run.
 */
async function tryGpus(
  docker: Docker,
  devices: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  await removeLeftBehind(docker, signal);
  const image = await ensureKeeperImage(docker, signal);
  const container = await callEngine(signal, deadlines.changeMs, (abortSignal) =>
    docker.createContainer({
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
      abortSignal,
    }),
  );
  try {
    await callEngine(signal, deadlines.changeMs, (abortSignal) => container.start({ abortSignal }));
    return undefined;
  } catch (error) {
    if (engineStatus(error) === undefined) throw error;
    return engineMessage(error);
  } finally {
    // Whatever became of the check, the container may not stay.
    await removeContainer(docker, container.id, AbortSignal.timeout(deadlines.queryMs)).catch(
      () => undefined,
    );
  }
}

/** Of checks that were killed, or whose engine made the container after they had given up. */
async function removeLeftBehind(docker: Docker, signal: AbortSignal): Promise<void> {
  const found = await callEngine(signal, deadlines.queryMs, (abortSignal) =>
    docker.listContainers({ all: true, filters: { label: [`${labelName}=gpu`] }, abortSignal }),
  );
  for (const { Created: createdSeconds, Id: id } of found)
    if (Date.now() - createdSeconds * 1000 > leftBehindMs) await removeContainer(docker, id, signal);
}
