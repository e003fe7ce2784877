import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { agentOf, type CasePlace, type ChaosCase, engineOf } from '../chaos-case.ts';
import { SmallDisk } from '../small-disk.ts';

/** In MiB. An agent takes no work while 64 MiB or less are free for it, so its disk and that of its engine are larger. */
const sizes = { coordinator: 64, agent: 128, engine: 192 } as const;

async function mountDisk(place: CasePlace, mountPoint: string, sizeMiB: number): Promise<SmallDisk> {
  await mkdir(mountPoint, { recursive: true });
  const disk = await SmallDisk.mount(mountPoint, sizeMiB);
  place.onClose(() => disk.close());
  return disk;
}

export const fullCoordinator: ChaosCase = {
  name: 'full-coordinator',
  summary:
    'the disk of the coordinator fills up: it takes nothing new or ends without a promise, and goes on when there is room',
  async plan(place) {
    const disk = await mountDisk(place, join(place.dir, 'coordinator'), sizes.coordinator);
    return {
      cheapJobs: true,
      // A log that finds no room has a gap: no task waits for its log.
      lossyLogs: true,
      mountPoints: [disk.mountPoint],
      maxEvents: 60,
      async strike(rig) {
        const { coordinator } = rig;
        const { process } = coordinator;
        await disk.fill();
        // It ends where the log itself finds no room; else it goes on without new work.
        await rig.last(5000);
        // What the write-ahead log has given back is not its to take again.
        await disk.fill();
        if (process.running) await process.kill();
        process.start();
        await rig.last(1000);
        await process.expectRunning();
        await disk.empty();
        // It has waited for room, and goes on by itself.
        const ready = () =>
          fetch(`${coordinator.url}/readyz`).then(
            ({ ok }) => ok,
            () => false,
          );
        await waitUntil('the coordinator to be ready', ready, { timeoutMs: 30_000, process });
        return 'full';
      },
    };
  },
};

export const fullAgent: ChaosCase = {
  name: 'full-agent',
  summary: "the disk with an agent's state fills up: the agent pauses, and goes on when there is room",
  async plan(place) {
    const disk = await mountDisk(place, join(place.dir, 'agent-0', 'state'), sizes.agent);
    return {
      shortLease: true,
      mountPoints: [disk.mountPoint],
      maxEvents: 20,
      async strike(rig) {
        const agent = agentOf(rig, 0);
        await disk.fill();
        const until = performance.now() + place.dice.between(1000, 4000);
        try {
          while (performance.now() < until) {
            if (!agent.process.running) throw new Error('the agent ended on a full disk');
            await rig.last(250);
          }
        } finally {
          await disk.empty();
        }
        return 'full';
      },
    };
  },
};

export const fullEngine: ChaosCase = {
  name: 'full-engine',
  summary: "the disk with the engine's images and containers fills up",
  hurtsEngine: true,
  async plan(place) {
    const disk = await mountDisk(place, engineOf(place).dataDir, sizes.engine);
    return {
      lossyLogs: true,
      shortLease: true,
      maxEvents: 20,
      mountPoints: [disk.mountPoint],
      async strike(rig) {
        await disk.fill();
        try {
          await rig.last(place.dice.between(1000, 6000));
        } finally {
          await disk.empty();
        }
        return 'full';
      },
    };
  },
};
