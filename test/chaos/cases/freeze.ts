import { agentOf, type CasePlace, type ChaosCase, engineOf, type StruckRig } from '../chaos-case.ts';

/** Every other time it lasts until the leases are over and the coordinator has counted its margin, too. */
async function freeze(rig: StruckRig, { dice }: CasePlace, count: number): Promise<string> {
  const isLong = count % 2 === 1;
  await rig.last(isLong ? rig.leaseMs * 1.5 : dice.between(100, rig.leaseMs / 2));
  return isLong ? 'beyond the lease' : 'within the lease';
}

export const freezeCoordinator: ChaosCase = {
  name: 'freeze-coordinator',
  summary: 'SIGSTOP of the coordinator, for less and for more than the leases',
  plan: async (place) => ({
    shortLease: true,
    maxEvents: 20,
    async strike(rig, count) {
      rig.coordinator.process.signal('SIGSTOP');
      try {
        return await freeze(rig, place, count);
      } finally {
        rig.coordinator.process.signal('SIGCONT');
      }
    },
  }),
};

/**
 * Who is frozen cannot stop its containers: they run on, their tasks are given to another node, and what the agent
 * reports when it wakes up may count for nothing.
 */
export const freezeAgent: ChaosCase = {
  name: 'freeze-agent',
  summary: 'SIGSTOP of an agent, for less and for more than its lease',
  plan: async (place) => ({
    shortLease: true,
    maxEvents: 20,
    async strike(rig, count) {
      const agent = agentOf(rig, place.dice.between(0, 1));
      agent.process.signal('SIGSTOP');
      try {
        return await freeze(rig, place, count);
      } finally {
        agent.process.signal('SIGCONT');
      }
    },
    judge: ({ reasons }) => (reasons.has('node_lost') ? [] : ['no node was lost']),
  }),
};

export const freezeEngine: ChaosCase = {
  name: 'freeze-engine',
  summary: 'SIGSTOP of the engine, for less and for more than the leases',
  hurtsEngine: true,
  plan: async (place) => ({
    shortLease: true,
    maxEvents: 20,
    async strike(rig, count) {
      await engineOf(place).signal('SIGSTOP');
      try {
        return await freeze(rig, place, count);
      } finally {
        await engineOf(place).signal('SIGCONT');
      }
    },
  }),
};
