import { agentOf, type ChaosCase } from '../chaos-case.ts';

/** Its owner has cloned the machine: one key, one journal, and two processes that both mean to be the node. */
export const twinAgents: ChaosCase = {
  name: 'twin-agents',
  summary: 'two agents with one key and one past at the same time',
  plan: async ({ dice }) => ({
    shortLease: true,
    maxEvents: 20,
    async strike(rig, count) {
      const index = dice.between(0, rig.agents.length - 1);
      const agent = agentOf(rig, index);
      await agent.process.kill();
      const twin = await rig.copyAgent(index, `twin-${count}`);
      try {
        for (const each of [agent, twin]) each.start();
        await rig.last(dice.between(1000, 4000));
      } finally {
        await twin.process.kill();
        // Whoever was the first to be sent away waits minutes before it asks again; its owner starts it anew.
        await agent.process.kill();
      }
      agent.start();
      return 'twin';
    },
  }),
};
