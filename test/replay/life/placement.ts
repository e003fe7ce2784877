import type { Offer } from '@capacloud/protocol/capacity/resources';
import { taskIdOf } from '@capacloud/protocol/ids';
import type { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { complete, completed, device, endsAs, join, run, type Stage, submitLong, taskIs } from './stage.ts';

/** The better GPU is taken by the first task, so the second one runs by the second alternative. */
export async function takeAlternative(stage: Stage): Promise<void> {
  const { client } = stage;
  const better = await join(stage, { devices: [device('better', 'rtx-4080')] });
  const other = await join(stage, { devices: [device('other', 'rtx-3080')] });
  const job = await submitLong(client, { replicas: 2, resources: { gpu: ['rtx-4080', 'rtx-3080'] } });
  const [first, second] = [0, 1].map((index) => ({ task: taskIdOf(job, index), attempt: 1 })) as [Ref, Ref];
  await run(client, better, first);
  await run(client, other, second);
  better.finish(first, completed);
  other.finish(second, completed);
  await endsAs(client, job, 'succeeded');
}
type Ref = Parameters<typeof complete>[2];

/** Two tasks use one GPU at once. */
export async function share(stage: Stage): Promise<ScriptedAgent> {
  const { client } = stage;
  const agent = await join(stage, { devices: [device('shared', 'a10', { shareable: true })] });
  const job = await submitLong(client, { replicas: 2, resources: { gpu: { model: 'a10', share: 0.4 } } });
  const refs = [0, 1].map((index) => ({ task: taskIdOf(job, index), attempt: 1 }));
  for (const ref of refs) await run(client, agent, ref);
  for (const ref of refs) agent.finish(ref, completed);
  await endsAs(client, job, 'succeeded');
  return agent;
}

/** A job waits, because the node in its region has not the label that it asks for, until one with the label joins. */
export async function waitForLabel(stage: Stage): Promise<void> {
  const { client } = stage;
  const devices = [device('label', 'v100')];
  const plain = await join(stage, { devices, region: 'eu-central', labels: { tier: 'silver' } });
  const job = await submitLong(client, {
    resources: { gpu: 1 },
    placement: {
      regions: ['eu-central'],
      constraints: [
        { key: 'tier', operator: 'in', values: ['gold', 'platinum'] },
        { key: 'spot', operator: 'not_exists' },
      ],
    },
  });
  const ref = { task: taskIdOf(job, 0), attempt: 1 };
  await taskIs(client, ref, ({ reason }) => reason === 'no_feasible_node');
  const gold = await join(stage, {
    devices: [device('gold', 'v100')],
    region: 'eu-central',
    labels: { tier: 'gold', rack: 'r7' },
  });
  await complete(client, gold, ref);
  await endsAs(client, job, 'succeeded');
  if (plain.assigned > 0) throw new Error('a job was placed on a node without the label that it asks for');
}

/** A job runs as root on a GPU that it describes by everything that it can, and not at one provider. */
export async function beExacting(stage: Stage): Promise<void> {
  const { client } = stage;
  const gpu = (id: string) => device(id, 'h100-sxm5-80gb', { computeCapability: '9.0', cuda: '12.8' });
  const excluded = await join(stage, { devices: [gpu('excluded')], allowRoot: true });
  const agent = await join(stage, { devices: [gpu('exact')], allowRoot: true });
  const job = await submitLong(client, {
    user: '0',
    resources: {
      gpu: { model: 'h100', vendor: 'nvidia', vram: '40Gi', compute_capability: '8.9', cuda: '12.4' },
    },
    placement: { exclude_providers: [excluded.identity.address] },
  });
  await complete(client, agent, { task: taskIdOf(job, 0), attempt: 1 });
  await endsAs(client, job, 'succeeded');
}

/** Of two jobs that wait for one GPU, the later one has priority and comes first. */
export async function jumpQueue(stage: Stage): Promise<void> {
  const { client } = stage;
  const agent = await join(stage, { devices: [device('wanted', 'rtx-a4000')] });
  const resources = { gpu: 'rtx-a4000' };
  const jobs = [await submitLong(client, { resources })];
  await run(client, agent, { task: taskIdOf(jobs[0] as never, 0), attempt: 1 });
  for (const priority of [-10, 10]) jobs.push(await submitLong(client, { resources, priority }));
  const [holding, low, high] = jobs.map((job) => ({ task: taskIdOf(job, 0), attempt: 1 })) as [Ref, Ref, Ref];
  agent.finish(holding, completed);
  await complete(client, agent, high);
  await complete(client, agent, low);
  for (const job of jobs) await endsAs(client, job, 'succeeded');
}

/** Two owners say that an image is made for arm64, and it runs on the node of that kind that joins then. */
export async function meetMisfits(stage: Stage): Promise<ScriptedAgent> {
  const { client } = stage;
  const offer = (id: string, arch: string): Partial<Offer> => ({ arch, devices: [device(id, 'l40s')] });
  const first = await join(stage, offer('amd-0', 'amd64'));
  const job = await submitLong(client, { image: 'made-for-arm', resources: { gpu: 'l40s' } });
  const task = taskIdOf(job, 0);
  await misfit(stage, first, { task, attempt: 1 });
  const second = await join(stage, offer('amd-1', 'amd64'));
  await misfit(stage, second, { task, attempt: 2 });
  const arm = await join(stage, offer('arm', 'arm64'));
  await complete(client, arm, { task, attempt: 3 });
  await endsAs(client, job, 'succeeded');
  return first;
}

/** Lets an attempt end because its image is made for arm64. */
export async function misfit({ client }: Stage, agent: ScriptedAgent, ref: Ref): Promise<void> {
  await run(client, agent, ref);
  agent.finish(ref, { reason: 'image_wrong_platform', receipt: { imageRunsOn: ['arm64'] } });
  await taskIs(client, ref, ({ state }) => state === 'queued');
}
