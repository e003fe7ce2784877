import { createHash } from 'node:crypto';
import type { Client } from '@capacloud/client/client';
import { waitForJob } from '@capacloud/client/follow';
import type { Device, Offer } from '@capacloud/protocol/capacity/resources';
import type { JobId, NodeId, Sha256Hex } from '@capacloud/protocol/ids';
import { attemptHeaderName, attemptName } from '@capacloud/protocol/wire/attempt-name';
import type { Assignment, AttemptRef } from '@capacloud/protocol/wire/frames';
import { protocolVersions } from '@capacloud/protocol/wire/protocol-versions';
import type { OutputFile } from '@capacloud/protocol/wire/receipt';
import { plainOffer } from '@capacloud/rig/network/agent-keys';
import type { LocalCoordinator } from '@capacloud/rig/network/local-network';
import { type Act, ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { waitUntil } from '@capacloud/rig/programs/managed-process';

/** What the chapters of an eventful life share. */
export interface Stage {
  readonly coordinator: LocalCoordinator;
  /** Of the consumer whose jobs the chapter is about. */
  readonly client: Client;
  /** Every agent that was started, so that all are ended. */
  readonly agents: ScriptedAgent[];
}

export const patience = { timeoutMs: 60_000 };
export const stages = ['pulling', 'starting', 'running', 'uploading'] as const;
/** Short pauses between attempts. */
export const backoff = { initial: '1s', max: '1s' };
const hourMs = 3_600_000;

/**
 * Nodes of the chapters that run side by side take long tasks only, and all jobs of other chapters are short. So
 * no chapter takes the room of another, whatever the order in which things happen.
 */
const longOffer: Offer = {
  ...plainOffer,
  slots: 8,
  minRunMs: 2 * hourMs,
  ask: { ...plainOffer.ask, deviceHourNano: '5000000000' },
};

/** Connects a node that takes long tasks only, whose tasks end when the chapter says so. */
export async function join(stage: Stage, change: Partial<Offer>): Promise<ScriptedAgent> {
  const agent = new ScriptedAgent({
    url: stage.coordinator.url,
    act: () => 'hold',
    offer: { ...longOffer, ...change },
    protocols: protocolVersions,
    stopsLate: true,
  });
  stage.agents.push(agent);
  await agent.connect();
  return agent;
}

export function device(id: string, model: string, change: Partial<Device> = {}): Device {
  return {
    id: `GPU-${id}`,
    vendor: 'nvidia',
    model,
    memoryBytes: 80 * 2 ** 30,
    health: 'healthy',
    ...change,
  };
}

/** For the nodes that `join` connects. */
export async function submitLong(client: Client, change: object): Promise<JobId> {
  const price = { max_per_hour: '100', currency: 'CAPA' };
  const body = { version: '1', image: 'busybox', command: 'true', timeout: '3h', price, retry: { backoff } };
  return (await client.call('submitJob', { body: { ...body, ...change }, query: {} })).id;
}

const keyOf = ({ attempt, task }: AttemptRef) => `${task}-${attempt}`;

/** The one of the agents that is given the attempt. */
export function holderOf(agents: readonly ScriptedAgent[], ref: AttemptRef): Promise<ScriptedAgent> {
  return waitUntil(
    `a node to be given ${keyOf(ref)}`,
    () => agents.find(({ held }) => held.has(keyOf(ref))),
    patience,
  );
}

/** Waits until the agent is given the attempt, and reports that it runs. */
export async function run(client: Client, agent: ScriptedAgent, ref: AttemptRef): Promise<Assignment> {
  await holderOf([agent], ref);
  for (const stage of ['pulling', 'starting', 'running'] as const) agent.report(ref, stage);
  await taskIs(client, ref, ({ state, attempts }) => state === 'running' && attempts === ref.attempt);
  const assignment = agent.held.get(keyOf(ref));
  if (assignment === undefined) throw new Error(`${keyOf(ref)} is not held any more`);
  return assignment;
}

export const completed: Exclude<Act, 'hold'> = { reason: 'completed', exitCode: 0, ranMs: 5 };

/** Waits until the agent is given the attempt, and completes it. */
export async function complete(client: Client, agent: ScriptedAgent, ref: AttemptRef): Promise<void> {
  await run(client, agent, ref);
  agent.finish(ref, completed);
}

export function taskIs(
  client: Client,
  { task }: Pick<AttemptRef, 'task'>,
  isSo: (task: { readonly state: string; readonly reason: string; readonly attempts: number }) => boolean,
): Promise<true> {
  return waitUntil(
    `${task} to be as the chapter goes on`,
    async () => isSo(await client.call('getTask', { params: { task } })) || undefined,
    patience,
  );
}

export async function endsAs(client: Client, job: JobId, state: 'succeeded' | 'failed'): Promise<void> {
  const ended = await waitForJob(client, job);
  if (ended.state !== state) throw new Error(`${job} has ${ended.state}, and not ${state}`);
}

export async function reached(
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

export async function nodeIs(coordinator: LocalCoordinator, node: NodeId, status: string): Promise<void> {
  await waitUntil(
    `${node} to be ${status}`,
    async () => (await coordinator.operator.call('getNode', { params: { node } })).status === status,
    patience,
  );
}

export function hashOf(text: string): Sha256Hex {
  return createHash('sha256').update(text).digest('hex') as Sha256Hex;
}

/** Says to the coordinator, as the agent of an attempt does, that an artifact comes. */
export function announce(
  { url }: LocalCoordinator,
  agent: ScriptedAgent,
  ref: AttemptRef,
  artifact: { readonly sha256: Sha256Hex; readonly size_bytes: number },
): Promise<Response> {
  return fetch(`${url}/v1/artifacts`, {
    method: 'POST',
    headers: { ...asAgent(agent, ref), 'content-type': 'application/json' },
    body: JSON.stringify(artifact),
  });
}

/** Stores a small file for an attempt. */
export async function bring(
  coordinator: LocalCoordinator,
  agent: ScriptedAgent,
  ref: AttemptRef,
  path: string,
  text: string,
): Promise<OutputFile> {
  const sha256 = hashOf(text);
  await mustBeOk(announce(coordinator, agent, ref, { sha256, size_bytes: text.length }));
  await mustBeOk(
    fetch(`${coordinator.url}/v1/artifacts/${sha256}`, {
      method: 'PATCH',
      headers: {
        ...asAgent(agent, ref),
        'content-type': 'application/octet-stream',
        'upload-offset': '0',
      },
      body: text,
    }),
  );
  return { path, sha256, sizeBytes: text.length };
}

/** Appends output of an attempt to its log. */
export async function say(
  { url }: LocalCoordinator,
  agent: ScriptedAgent,
  { attempt, task }: AttemptRef,
  text: string,
  query: Readonly<Record<string, string>>,
): Promise<void> {
  const path = `/v1/tasks/${task}/attempts/${attempt}/log?${new URLSearchParams(query).toString()}`;
  const headers = { ...tokenOf(agent), 'content-type': 'application/octet-stream' };
  await mustBeOk(fetch(`${url}${path}`, { method: 'PUT', headers, body: text }));
}

function asAgent(agent: ScriptedAgent, ref: AttemptRef): Record<string, string> {
  return { ...tokenOf(agent), [attemptHeaderName]: attemptName(ref) };
}

function tokenOf({ welcome }: ScriptedAgent): Record<string, string> {
  return { authorization: `Bearer ${welcome?.token ?? ''}` };
}

async function mustBeOk(answer: Promise<Response>): Promise<void> {
  const { ok, status, text } = await answer.then(async (each) => ({
    ok: each.ok,
    status: each.status,
    text: await each.text(),
  }));
  if (!ok) throw new Error(`the coordinator answered ${status} ${text}`);
}
