import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@capacloud/client/client';
import { waitForJob } from '@capacloud/client/follow';
import type { Event, EventType } from '@capacloud/core/event';
import { attemptHeaderName, attemptName } from '@capacloud/protocol/attempt-name';
import type { Assignment } from '@capacloud/protocol/frames';
import type { AccountId, JobId, NodeId, Sha256Hex } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import type { Device } from '@capacloud/protocol/resources';
import { createCoordinator, type LocalCoordinator } from '../../scripts/network/local-network.ts';
import { waitUntil } from '../../scripts/network/managed-process.ts';
import { plainOffer } from '../e2e/agent-keys.ts';
import { type Act, ScriptedAgent } from '../e2e/scripted-agent.ts';

/** Every kind of event there is; one that is added does not compile before it is here. */
const known: Readonly<Record<EventType, true>> = {
  'log.opened': true,
  'ruleset.changed': true,
  'account.opened': true,
  'account.credited': true,
  'node.joined': true,
  'node.offered': true,
  'node.status_changed': true,
  'job.submitted': true,
  'job.cancelled': true,
  'image.poisoned': true,
  'task.ended': true,
  'job.settled': true,
  'attempt.assigned': true,
  'attempt.progressed': true,
  'attempt.ended': true,
  'attempt.released': true,
  'upload.held': true,
  'upload.resumed': true,
};
export const eventTypes = Object.keys(known) as EventType[];

export interface EventfulLife {
  readonly coordinator: LocalCoordinator;
  /** Ends the agents and the process. */
  close(): Promise<void>;
}

const rules = {
  fee_basis_points: 300,
  unknown_after_ms: 3000,
  lease_ms: 6000,
  lost_margin_ms: 500,
  assign_timeout_ms: 4000,
  poison_nodes: 2,
};
const artifacts = { max_size: '1Ki', account_quota: '1Ki', total: '1Mi' };
const patience = { timeoutMs: 60_000 };
const stages = ['pulling', 'starting', 'running', 'uploading'] as const;

/** What an agent does with a task, by a variable of its job. */
function actOf({ env, attempt }: Assignment): Act {
  switch (env.ACT) {
    case 'hold':
    case 'ignore':
      return 'hold';
    case 'fail':
      return { stages, reason: 'exit_nonzero', exitCode: 3, ranMs: 5 };
    case 'recover':
      return attempt === 1
        ? { stages: ['pulling'], reason: 'image_pull_failed' }
        : { stages, reason: 'completed', exitCode: 0, ranMs: 700 };
    case undefined:
    default:
      return { stages, reason: 'completed', exitCode: 0, ranMs: 1500 };
  }
}

/**
 * A real coordinator through all that its log can tell: success, own errors, a provider's failures, cancellation,
 * expiry, clocks that ran out, a lost node and its return, wishes of owner and operator, an image that is stopped for the
 * devices that it ruined, outputs that its consumer has no room for, and a restart with other rules. Some work is left under way, so that the state in the end is not empty. Its agents have no containers.
 */
export async function liveEventfully(dir: string): Promise<EventfulLife> {
  const coordinator = await createCoordinator({
    dir,
    name: 'eventful.test',
    settings: { log_level: 'warn', rules, artifacts },
  });
  const agents: ScriptedAgent[] = [];
  const close = async () => {
    for (const agent of agents) agent.cut();
    await coordinator.process.stop();
  };
  try {
    const { client } = await coordinator.openAccount('acc_ada' as AccountId, 10n ** 13n);
    const steady = new ScriptedAgent({ url: coordinator.url, act: actOf });
    agents.push(steady);
    await steady.connect();
    await endJobs(client);
    await cancelAndExpire(client);
    const fleeting = new ScriptedAgent({
      url: coordinator.url,
      act: actOf,
      // The cheapest gets the work.
      offer: { ...plainOffer, ask: { ...plainOffer.ask, cpuHourNano: '1', memoryGibHourNano: '1' } },
    });
    agents.push(fleeting);
    await loseNode(coordinator, client, steady, fleeting);
    await wish(coordinator, steady, fleeting.identity.node);
    await ruinDevices(coordinator, client, agents);
    await lackRoom(coordinator, client, steady);
    await restartWithOtherRules(dir, coordinator, client, steady);
    return { coordinator, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function submit(client: Client, act: string, change: object = {}): Promise<JobId> {
  const body = { version: '1', image: 'busybox', command: 'true', env: { ACT: act }, ...change };
  return (await client.call('submitJob', { body, query: {} })).id;
}

async function endJobs(client: Client): Promise<void> {
  const retry = { max_attempts: 2, backoff: { initial: '1s', max: '1s' } };
  const jobs = [
    await submit(client, 'succeed', { replicas: 6 }),
    await submit(client, 'fail', { retry }),
    await submit(client, 'recover', { replicas: 2, retry }),
    await submit(client, 'fail', { retry: { max_attempts: 2, exit_codes: [4] } }),
  ];
  for (const job of jobs) await waitForJob(client, job);
}

async function cancelAndExpire(client: Client): Promise<void> {
  const held = await submit(client, 'hold', { replicas: 6 });
  // Some of its tasks run and some wait.
  await reached(client, held, 'assigned');
  await client.call('cancelJob', { params: { job: held } });
  const impossible = await submit(client, 'succeed', { resources: { cpu: 64 }, queue_timeout: '1s' });
  await waitForJob(client, impossible);
  // Its agent never says that it began.
  const ignored = await submit(client, 'ignore', {
    retry: { provider_lost: 1, backoff: { initial: '1s', max: '1s' } },
  });
  await waitForJob(client, ignored);
}

async function loseNode(
  coordinator: LocalCoordinator,
  client: Client,
  steady: ScriptedAgent,
  fleeting: ScriptedAgent,
): Promise<void> {
  await fleeting.connect();
  const job = await submit(client, 'hold', {
    retry: { backoff: { initial: '1s', max: '1s' } },
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
async function wish(coordinator: LocalCoordinator, steady: ScriptedAgent, leaving: NodeId): Promise<void> {
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
async function ruinDevices(
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

/** Outputs of a task are larger than what its consumer has left, until an old artifact is deleted. */
async function lackRoom(coordinator: LocalCoordinator, client: Client, steady: ScriptedAgent): Promise<void> {
  const old = await client.call('createArtifact', { body: { sha256: hashOf('old'), size_bytes: 1000 } });
  const job = await submit(client, 'hold', { outputs: [{ path: '/out/' }] });
  await waitUntil('the work to be there', () => steady.held.size === 1, patience);
  const first = { task: taskIdOf(job, 0), attempt: 1 };
  for (const stage of stages) steady.report(first, stage);
  await reached(client, job, 'uploading');
  const answer = await fetch(`${coordinator.url}/v1/artifacts`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${steady.welcome?.token ?? ''}`,
      'content-type': 'application/json',
      [attemptHeaderName]: attemptName(first),
    },
    body: JSON.stringify({ sha256: hashOf('new'), size_bytes: 100 }),
  });
  if (answer.status !== 507) throw new Error(`there was room: ${answer.status} ${await answer.text()}`);
  const reasonIs = async (reason: string) =>
    (await client.call('getTask', { params: { task: first.task } })).reason === reason;
  await waitUntil('the task to wait for room', () => reasonIs('quota_full'), patience);
  await client.call('deleteArtifact', { params: { sha256: old.sha256 } });
  await waitUntil('room for its outputs', () => reasonIs('progressing'), patience);
  steady.finish(first);
  await waitForJob(client, job);
}

function hashOf(text: string): Sha256Hex {
  return createHash('sha256').update(text).digest('hex') as Sha256Hex;
}

async function restartWithOtherRules(
  dir: string,
  coordinator: LocalCoordinator,
  client: Client,
  steady: ScriptedAgent,
): Promise<void> {
  const job = await submit(client, 'hold', { replicas: 2 });
  await waitUntil('the work to be there', () => steady.held.size === 2, patience);
  for (const stage of ['pulling', 'starting', 'running'] as const)
    for (const index of [0, 1]) steady.report({ task: taskIdOf(job, index), attempt: 1 }, stage);
  await reached(client, job, 'running');
  await coordinator.process.stop();
  const file = join(dir, 'coordinator.yaml');
  const config = await readFile(file, 'utf8');
  await writeFile(file, config.replace('fee_basis_points: 300', 'fee_basis_points: 250'));
  await coordinator.start();
  await steady.connect();
  steady.finish({ task: taskIdOf(job, 0), attempt: 1 });
  await waitUntil(
    'one of the two tasks to be paid by the new rules',
    async () => (await client.call('getJob', { params: { job } })).tasks.succeeded === 1,
    patience,
  );
  await submit(client, 'succeed', { resources: { gpu: 1 } });
}

async function reached(
  client: Client,
  job: JobId,
  state: 'assigned' | 'running' | 'uploading',
): Promise<void> {
  await waitUntil(
    `a task of ${job} to be ${state}`,
    async () =>
      (await client.call('listTasks', { params: { job }, query: { state, limit: 1 } })).items.length > 0,
    patience,
  );
}

async function nodeIs(coordinator: LocalCoordinator, node: NodeId, status: string): Promise<void> {
  await waitUntil(
    `${node} to be ${status}`,
    async () => (await coordinator.operator.call('getNode', { params: { node } })).status === status,
    patience,
  );
}

/** Entries of a log as events. */
export function parseEntries(entries: readonly string[]): readonly Event[] {
  return entries.map((entry) => JSON.parse(entry) as Event);
}
