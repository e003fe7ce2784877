import { setTimeout as sleep } from 'node:timers/promises';
import { type ChaosCase, engineOf, judgeEngineLost } from '../chaos-case.ts';

/** The keepers of volumes do not end when they are asked. */
const shortPatience = '--shutdown-timeout=1';

export const restartEngine: ChaosCase = {
  name: 'restart-engine',
  summary: 'the engine is stopped in order, or killed, and takes its containers along',
  hurtsEngine: true,
  plan: async (place) => ({
    engineFlags: [shortPatience],
    maxEvents: 30,
    async strike(rig, count) {
      await rig.untilWorking();
      const signal = count % 2 === 0 ? 'SIGTERM' : 'SIGKILL';
      await engineOf(place).end(signal);
      await sleep(place.dice.between(0, 1000));
      await engineOf(place).start(shortPatience);
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
      await engineOf(place).end('SIGTERM');
      await engineOf(place).start(liveRestore);
    },
    // It may lose count of a scratch, or the end of a container, and never a container that runs.
    judge: ({ losses }) =>
      losses.filter((loss) => /took the container along|lost the container|is gone/.test(loss)),
  }),
};
