import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChaosCase, judgeNoLoss } from '../chaos-case.ts';

/** Where Debian keeps it: a folder of the machine's architecture. */
function libraryPath(): string {
  for (const folder of readdirSync('/usr/lib')) {
    const path = join('/usr/lib', folder, 'faketime');
    try {
      if (readdirSync(path).includes('libfaketimeMT.so.1')) return join(path, 'libfaketimeMT.so.1');
    } catch {
      // Another architecture's folder.
    }
  }
  throw new Error('there is no libfaketime; install the Debian package faketime');
}

/** The wall clock only: no jump of it moves the monotonic clock of a real machine either. */
function fakeClock(): Record<string, string> {
  return { LD_PRELOAD: libraryPath(), FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}

export const skewedAgents: ChaosCase = {
  name: 'skewed-agents',
  summary: 'one agent is an hour fast, the other an hour slow, and they are killed now and then',
  plan: async ({ dice }) => ({
    maxEvents: 30,
    agent: async (index) => ({ env: { ...fakeClock(), FAKETIME: index === 0 ? '+3600' : '-3600' } }),
    async strike(rig) {
      const agent = dice.pick(rig.agents);
      await agent.process.kill();
      agent.start();
      return 'kill';
    },
    judge: judgeNoLoss,
  }),
};

const jumpS = 600;

export const jumpingCoordinator: ChaosCase = {
  name: 'jumping-coordinator',
  summary: "the coordinator's clock jumps back and forth by ten minutes, while it runs and while it is down",
  async plan({ dir, dice }) {
    const file = join(dir, 'clock');
    const jumpTo = (seconds: number) => writeFile(file, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    await jumpTo(0);
    return {
      maxEvents: 30,
      coordinator: {
        env: { ...fakeClock(), FAKETIME_TIMESTAMP_FILE: file, FAKETIME_CACHE_DURATION: '1' },
      },
      async strike({ coordinator }) {
        const toS = dice.pick([-jumpS, 0, jumpS]);
        await jumpTo(toS);
        if (dice.between(0, 2) > 0) return 'jump';
        await coordinator.process.kill();
        await coordinator.start();
        return 'jump and kill';
      },
      judge: judgeNoLoss,
    };
  },
};
