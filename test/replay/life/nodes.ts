import type { Client } from '@capacloud/client/client';
import { waitForJob } from '@capacloud/client/follow';
import type { Device } from '@capacloud/protocol/capacity/resources';
import type { NodeId } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import { plainOffer } from '@capacloud/rig/network/agent-keys';
import type { LocalCoordinator } from '@capacloud/rig/network/local-network';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { actOf, submit } from './jobs.ts';
import { backoff, nodeIs, patience, reached } from './stage.ts';

export async function loseNode(
  coordinator: LocalCoordinator,
  client: Client,
  steady: ScriptedAgent,
  fleeting: ScriptedAgent,
): Promise<void> {
  await fleeting.connect();
  const job = await submit(client, 'hold', {
    retry: { backoff },
    // Without a price it would be held to twice what the cheapest asks.
    price: { max_per_hour: '10', currency: 'CAPA' },
  });
  await waitUntil('the cheap node to get the work', () => fleeting.held.size === 1, patience);
  for (const stage of ['pulling', 'starting', 'running'] as const)
    fleeting.report({ task: taskIdOf(job, 0), attempt: 1 }, stage);
  await reached(client, job, 'running');
  fleeting.cut();
  await nodeIs(coordinator, fleeting.identity.node, 'lost');
  await waitUntil('another node to get the work', () => steady.held.size === 1, patience);
  await fleeting.connect();
  await nodeIs(coordinator, fleeting.identity.node, 'ready');
  steady.finish({ task: taskIdOf(job, 0), attempt: 2 });
  await waitForJob(client, job);
}

/** Of the owner of one node, and of the operator. */
export async function wish(
  coordinator: LocalCoordinator,
  steady: ScriptedAgent,
  leaving: NodeId,
): Promise<void> {
  const { node } = steady.identity;
  const direct = (to: 'cordon' | 'uncordon' | 'drain', which: NodeId) =>
    coordinator.operator.call('directNode', { params: { node: which }, body: { to } });
  await direct('cordon', node);
  await direct('uncordon', node);
  await direct('drain', leaving);
  await nodeIs(coordinator, leaving, 'gone');
  steady.changeOffer({ ...plainOffer, slots: 8 }, false);
  await nodeIs(coordinator, node, 'cordoned');
  steady.changeOffer({ ...plainOffer, slots: 8 }, true);
  await nodeIs(coordinator, node, 'ready');
}

/** Of two providers, by one image, which is stopped for it. */
export async function ruinDevices(
  coordinator: LocalCoordinator,
  client: Client,
  agents: ScriptedAgent[],
): Promise<void> {
  const gpus = (health: Device['health']) => {
    const device = {
      id: 'GPU-0',
      vendor: 'nvidia',
      model: 'rtx-4090',
      memoryBytes: 2 ** 34,
      health,
    } as const;
    return { ...plainOffer, devices: [device] };
  };
  const victims = [0, 1].map(
    () => new ScriptedAgent({ url: coordinator.url, act: actOf, offer: gpus('healthy') }),
  );
  agents.push(...victims);
  for (const victim of victims) await victim.connect();
  const price = { max_per_hour: '10', currency: 'CAPA' };
  const wishes = { image: 'ruinous', replicas: 2, resources: { gpu: 1 }, price };
  const job = await submit(client, 'hold', wishes);
  await waitUntil('both to be given a task', () => victims.every(({ held }) => held.size === 1), patience);
  for (const victim of victims)
    for (const { attempt, task } of victim.held.values())
      for (const stage of ['pulling', 'starting', 'running'] as const)
        victim.report({ attempt, task }, stage);
  await waitUntil(
    'both to run',
    async () => {
      const query = { limit: 2, state: 'running' } as const;
      return (await client.call('listTasks', { params: { job }, query })).items.length === 2;
    },
    patience,
  );
  for (const victim of victims) victim.changeOffer(gpus('quarantined'), false);
  await waitForJob(client, job);
}
