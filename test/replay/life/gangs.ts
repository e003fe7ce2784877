import type { JobId } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import type { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import {
  bring,
  completed,
  device,
  endsAs,
  holderOf,
  join,
  patience,
  run,
  type Stage,
  submitLong,
  taskIs,
} from './stage.ts';

const model = 'a100-sxm4-80gb';
const pairOf = (id: string) => [device(`${id}-0`, model), device(`${id}-1`, model)];

/** A gang loses one task, is stopped as a whole, and starts again. A cheaper node with a degraded NVLink gets none of it. */
export async function loseOneOfGang(stage: Stage): Promise<readonly ScriptedAgent[]> {
  const { client } = stage;
  const degraded = await join(stage, {
    devices: pairOf('degraded').map((each) => ({ ...each, fabric: 'degraded' })),
    ask: { cpuHourNano: '1', memoryGibHourNano: '1', diskGibHourNano: '0', deviceHourNano: '1' },
  });
  const agents = [await join(stage, { devices: pairOf('a') }), await join(stage, { devices: pairOf('b') })];
  const job = await startGang(stage, agents, 1);
  const first = { task: taskIdOf(job, 0), attempt: 1 };
  const second = { task: taskIdOf(job, 1), attempt: 1 };
  (await holderOf(agents, first)).finish(first, { reason: 'engine_lost', ranMs: 5 });
  const other = await holderOf(agents, second);
  await waitUntil('the other task to be stopped', () => other.stopped === 1, patience);
  other.finish(second, { reason: 'stopped', ranMs: 5 });
  for (const index of [0, 1]) {
    const ref = { task: taskIdOf(job, index), attempt: 2 };
    await run(client, await holderOf(agents, ref), ref);
  }
  for (const index of [0, 1]) {
    const ref = { task: taskIdOf(job, index), attempt: 2 };
    (await holderOf(agents, ref)).finish(ref, completed);
  }
  await endsAs(client, job, 'succeeded');
  if (degraded.assigned > 0) throw new Error('a gang was placed on GPUs whose NVLink is degraded');
  return agents;
}

/** Submits a gang for two nodes of two GPUs, and lets both tasks run. */
export async function startGang(
  { client }: Stage,
  agents: readonly ScriptedAgent[],
  attempt: number,
): Promise<JobId> {
  const job = await submitLong(client, { gang: true, replicas: 2, resources: { gpu: 'a100-80gb:2' } });
  for (const index of [0, 1]) {
    const ref = { task: taskIdOf(job, index), attempt };
    await run(client, await holderOf(agents, ref), ref);
  }
  return job;
}

/**
 * Two interruptible tasks are preempted for a job of another consumer, leave a checkpoint each, and go on with it on a node
 * that joins later. One of them is still running at the end.
 */
export async function preempt(stage: Stage, other: Stage): Promise<void> {
  const { client, coordinator } = stage;
  const offerOf = (id: string) => ({
    devices: [device(`${id}-0`, 't4'), device(`${id}-1`, 't4')],
    interruptibleDiscountPercent: 60,
  });
  const first = await join(stage, offerOf('first'));
  const job = await submitLong(client, {
    interruptible: true,
    replicas: 2,
    resources: { gpu: 't4' },
    checkpoint: { path: '/state', max_size: '1Ki' },
  });
  const refs = [0, 1].map((index) => ({ task: taskIdOf(job, index), attempt: 1 }));
  for (const ref of refs) await run(client, first, ref);
  const paying = await submitLong(other.client, { resources: { gpu: 't4:2' } });
  await waitUntil('both to be preempted', () => first.stopped === 2, patience);
  for (const ref of refs) {
    const saved = await bring(coordinator, first, ref, '/state', `state of ${ref.task}\n`);
    first.finish(ref, { reason: 'stopped', ranMs: 5, outputs: [saved] });
  }
  const paid = { task: taskIdOf(paying, 0), attempt: 1 };
  await run(other.client, first, paid);
  const second = await join(stage, offerOf('second'));
  for (const { task } of refs) {
    const { checkpoint } = await run(client, second, { task, attempt: 2 });
    if (checkpoint?.saved === undefined) throw new Error(`${task} goes on without its checkpoint`);
  }
  second.finish({ task: taskIdOf(job, 0), attempt: 2 }, completed);
  await taskIs(client, { task: taskIdOf(job, 0) }, ({ state }) => state === 'succeeded');
  first.finish(paid, completed);
  await endsAs(other.client, paying, 'succeeded');
}
