import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { type ChaosCase, engineOf, judgeEngineLost } from '../chaos-case.ts';

export const restartEngine: ChaosCase = {
  name: 'restart-engine',
  summary: 'the engine is stopped in order, or killed, and takes its containers along',
  hurtsEngine: true,
  plan: async (place) => ({
    maxEvents: 30,
    async strike(rig, count) {
      await rig.untilWorking();
      const signal = count % 2 === 0 ? 'SIGTERM' : 'SIGKILL';
      await engineOf(place).end(signal);
      await sleep(place.dice.between(0, 1000));
      await engineOf(place).start();
      return signal;
    },
    judge: judgeEngineLost,
  }),
};

const liveRestore = '--live-restore';

export const keepContainers: ChaosCase = {
  name: 'live-restore',
  summary: 'the engine is stopped or killed under containers that live on',
  hurtsEngine: true,
  plan: async (place) => ({
    engineFlags: [liveRestore],
    maxEvents: 30,
    async strike(_rig, count) {
      const signal = count % 2 === 0 ? 'SIGTERM' : 'SIGKILL';
      await engineOf(place).end(signal);
      await sleep(place.dice.between(0, 1000));
      await engineOf(place).start(liveRestore);
      return signal;
    },
    // Docker 20.10 that is killed while a container starts does not know any more how often its volume is mounted, and
    // keeps the volume ("has active mounts") until its next start without that container.
    async calm() {
      const engine = engineOf(place);
      const isClear = async () => (await engine.docker.listContainers({ all: true })).length === 0;
      await waitUntil('the containers to be removed', isClear, { timeoutMs: 30_000, intervalMs: 250 });
      await engine.end('SIGTERM');
      await engine.start(liveRestore);
    },
    // It may lose count of a scratch, or the end of a container, and never a container that runs.
    judge: ({ losses }) =>
      losses.filter((loss) => /took the container along|lost the container|is gone/.test(loss)),
  }),
};
