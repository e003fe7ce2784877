import { agentOf, type ChaosCase, engineOf, judgeEngineLost, judgeNoLoss } from '../chaos-case.ts';

export const killCoordinator: ChaosCase = {
  name: 'kill-coordinator',
  summary: 'kill -9 of the coordinator, also in the middle of submissions',
  plan: async () => ({
    cheapJobs: true,
    maxEvents: 60,
    async strike({ coordinator }) {
      await coordinator.process.kill();
      await coordinator.start();
      return 'kill';
    },
    judge: judgeNoLoss,
  }),
};

export const killAgent: ChaosCase = {
  name: 'kill-agent',
  summary: 'kill -9 of an agent, with scratch in memory and on loop devices',
  plan: async () => ({
    scratch: process.getuid?.() === 0 ? ['memory', 'loop'] : ['memory'],
    maxEvents: 20,
    async strike(rig, count) {
      const agent = agentOf(rig, count);
      await agent.process.kill();
      agent.start();
      return 'kill';
    },
    judge: judgeNoLoss,
  }),
};

export const cutPower: ChaosCase = {
  name: 'cut-power',
  summary: 'the machine of the engine loses its power: daemon, shims and containers at once',
  hurtsEngine: true,
  plan: async (place) => ({
    maxEvents: 30,
    async strike(rig) {
      await rig.untilWorking();
      await engineOf(place).cutPower();
      await engineOf(place).start();
      return 'cut';
    },
    judge: judgeEngineLost,
  }),
};
