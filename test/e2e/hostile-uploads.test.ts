import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uploadArtifact } from '@capacloud/client/artifact-files';
import type { Client } from '@capacloud/client/client';
import { type AccountId, type JobId, type Sha256Hex, taskIdOf } from '@capacloud/protocol/ids';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import { createIdentity } from '@capacloud/rig/network/agent-keys';
import { createCoordinator, type LocalCoordinator } from '@capacloud/rig/network/local-network';
import { ScriptedAgent, type ScriptedAgentOptions } from '@capacloud/rig/network/scripted-agent';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { afterAll, beforeAll, expect, it } from 'vitest';

const gibibyte = 2 ** 30;
const patience = { timeoutMs: 60_000 };
const agents: ScriptedAgent[] = [];
let dir: string;
let coordinator: LocalCoordinator;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cc-uploads-'));
  const artifacts = { max_size: '1Gi', account_quota: '2Gi', total: '4Gi' };
  coordinator = await createCoordinator({
    dir,
    name: 'uploads.test',
    settings: { log_level: 'warn', artifacts },
  });
});
afterAll(async () => {
  for (const agent of agents) agent.cut();
  await coordinator.process.kill();
  await rm(dir, { recursive: true, force: true });
});

async function connect(options: Partial<ScriptedAgentOptions> = {}): Promise<ScriptedAgent> {
  const agent = new ScriptedAgent({ url: coordinator.url, act: () => 'hold', ...options });
  agents.push(agent);
  await agent.connect();
  return agent;
}

async function call(
  agent: ScriptedAgent,
  method: string,
  path: string,
  body?: object,
): Promise<{ readonly status: number; readonly json: Readonly<Record<string, unknown>> }> {
  const response = await fetch(`${coordinator.url}/v1/artifacts${path}`, {
    method,
    headers: {
      authorization: `Bearer ${agent.welcome?.token ?? ''}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) };
}

async function store(client: Client, text: string): Promise<Sha256Hex> {
  const path = join(dir, sha256Hex(text).slice(0, 12));
  await writeFile(path, text);
  return (await uploadArtifact(client, path)).sha256;
}

async function submitTo(client: Client, agent: ScriptedAgent, provider: string): Promise<JobId> {
  const body = {
    version: '1',
    image: 'busybox',
    command: 'true',
    outputs: [{ path: '/out/' }],
    resources: { disk: '1Gi' },
    placement: { providers: [provider] },
    retry: { max_attempts: 1 },
  };
  const { id } = await client.call('submitJob', { body, query: {} });
  await waitUntil('the task to be there', () => agent.held.size === 1, patience);
  return id;
}

it('gives a node that names an account as its provider nothing of that account', async () => {
  const victim = createIdentity().address as AccountId;
  const { client } = await coordinator.openAccount(victim, 1n);
  const secret = `of the victim ${randomBytes(8).toString('hex')}`;
  const sha256 = await store(client, secret);
  const size = secret.length;
  const thief = await coordinator.openAccount('acc_thief' as AccountId, 10n ** 15n);
  const node = await connect({ provider: victim });
  const answers = async () => [
    (await call(node, 'GET', `/${sha256}/status`)).status,
    (await call(node, 'GET', `/${sha256}`)).status,
    (await call(node, 'POST', '', { sha256, size_bytes: size })).json['complete'] ?? 'refused',
  ];
  expect(await answers()).toEqual([404, 404, 'refused']);
  const job = await submitTo(thief.client, node, victim);
  expect((await answers()).slice(1)).toEqual([404, false]);
  const attempt = { task: taskIdOf(job, 0), attempt: 1 };
  const outputs = [{ path: '/out/x', sha256, sizeBytes: size }];
  node.finish(attempt, { reason: 'completed', exitCode: 0, ranMs: 1, outputs });
  const attempts = async () =>
    (await thief.client.call('listAttempts', { params: { task: attempt.task } })).items[0];
  await expect.poll(attempts).toMatchObject({ reason: 'upload_failed', charged_nano: '0' });
  await thief.client.call('cancelJob', { params: { job } });
  await expect(thief.client.call('getArtifactStatus', { params: { sha256 } })).rejects.toMatchObject({
    code: 'request.not_found',
  });
  node.cut();
  await expect
    .poll(() => call(node, 'GET', `/${sha256}/status`))
    .toMatchObject({ status: 401, json: { detail: 'The session of this token is unknown or has ended.' } });
});

it('leaves room for others whatever nodes announce, before and after a restart', async () => {
  const { client } = await coordinator.openAccount('acc_store' as AccountId, 10n ** 15n);
  const announce = async (agent: ScriptedAgent, size: number) =>
    (await call(agent, 'POST', '', { sha256: randomBytes(32).toString('hex'), size_bytes: size })).json;
  const stranger = await connect();
  for (let size = gibibyte; size >= 1; size = Math.floor(size / 2))
    expect(await announce(stranger, size)).toMatchObject({ code: 'attempt.unknown' });
  const hostile = await connect();
  await submitTo(client, hostile, hostile.identity.address);
  const answers = [];
  for (let n = 0; n < 43; n++) answers.push(await announce(hostile, gibibyte));
  expect(answers).toContainEqual(expect.objectContaining({ complete: false }));
  await store(client, 'room for a consumer');
  // Consumers' words take no room either.
  for (let n = 0; n < 8; n++) {
    const sha256 = randomBytes(32).toString('hex') as Sha256Hex;
    await client.call('createArtifact', { body: { sha256, size_bytes: gibibyte } });
  }
  const { storage } = await client.call('getOwnAccount', {});
  expect(storage).toMatchObject({ artifacts_bytes: 19 });
  await coordinator.process.stop();
  await coordinator.start();
  await store(client, 'room after a restart');
});
