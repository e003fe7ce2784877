import { rm } from 'node:fs/promises';
import { ensureDockerEngine } from '@capacloud/rig/engine/docker-engine';
import { renderImageName } from '@capacloud/rig/images/render-image';
import { removeLeftovers } from '@capacloud/rig/leftovers/engine-leftovers';
import { freeLoopDevices } from '@capacloud/rig/leftovers/loop-devices';
import Docker from 'dockerode';
import { demoDir, demoName, imageCacheDir, keptFile } from './demo-places.ts';
import { endKeptProcesses } from './kept-processes.ts';
import type { Screen } from './screen.ts';

const images = [renderImageName, 'capacloud/keeper:1'];

/** Undoes all that demos did on this machine. Debian packages that were installed stay: others may use them. */
export async function cleanUp(screen: Screen, signal: AbortSignal): Promise<void> {
  const ended = await screen.step(
    'Processes',
    () => endKeptProcesses(keptFile),
    (names) => (names.length === 0 ? 'No process was left' : `Ended ${names.join(', ')}`),
  );
  // The engine's own store may be ours; it has to run to be emptied in order.
  const engine = await ensureDockerEngine(signal);
  try {
    await screen.step(
      'Containers',
      () => removeLeftovers(engine.socketPath, demoName),
      (count) => (count === 0 ? 'No container was left' : `Removed ${count} containers and volumes`),
    );
    await screen.step(
      'Images',
      () => removeImages(engine.socketPath),
      () => 'Images are gone',
    );
  } finally {
    await engine.stop();
  }
  await screen.step(
    'Files',
    async () => {
      await freeLoopDevices(demoDir);
      await rm(demoDir, { recursive: true, force: true });
      await rm(imageCacheDir, { recursive: true, force: true });
    },
    () => 'Files are gone',
  );
  if (ended.length > 0) screen.line('The demo network is down.');
}

async function removeImages(socketPath: string): Promise<void> {
  const docker = new Docker({ socketPath });
  for (const image of images) {
    await docker
      .getImage(image)
      .remove({ force: true })
      .catch((error: { statusCode?: number }) => {
        // Gone already, or in use by an agent that is not the demo's.
        if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
      });
  }
}
