import { randomBytes } from 'node:crypto';
import type Docker from 'dockerode';
import type { EngineExam } from '../core/engine-facts.ts';
import { callEngine, deadlines, engineMessage, engineStatus } from './engine-call.ts';
import { connectEngine } from './engine-client.ts';
import { readEngineFacts } from './engine-facts.ts';
import { ensureKeeperImage, keeperProgram } from './keeper-image.ts';

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
  const image = await ensureKeeperImage(docker, signal);
  const container = await callEngine(signal, deadlines.changeMs, () =>
    docker.createContainer({
      name: `capacloud-doctor-${randomBytes(6).toString('hex')}`,
      Image: image,
      Cmd: [keeperProgram, '/'],
      Env: ['NVIDIA_DRIVER_CAPABILITIES=compute,utility'],
      Labels: { 'capacloud.doctor': 'gpu' },
      HostConfig: {
        NetworkMode: 'none',
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        DeviceRequests: [{ Driver: '', DeviceIDs: [...devices], Capabilities: [['gpu']] }],
      },
    }),
  );
  try {
    await callEngine(signal, deadlines.changeMs, () => container.start());
    return undefined;
  } catch (error) {
    if (engineStatus(error) === undefined) throw error;
    return engineMessage(error);
  } finally {
    // Whatever became of the check, the container may not stay.
    await callEngine(AbortSignal.timeout(deadlines.queryMs), deadlines.queryMs, () =>
      container.remove({ force: true, v: true }),
    ).catch(() => undefined);
  }
}
