import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { uploadArtifact } from '@capacloud/client/artifact-files';
import { type Client, createClient } from '@capacloud/client/client';
import { waitForJob } from '@capacloud/client/follow';
import { createNodeExchange } from '@capacloud/client/node-exchange';
import type { AccountId } from '@capacloud/protocol/ids';
import { hasPart } from '@capacloud/rig/engine/real-parts';
import { createCoordinator, type LocalCoordinator } from '@capacloud/rig/network/local-network';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { programPath } from '@capacloud/rig/programs/programs';
import { afterEach, beforeEach, expect, it } from 'vitest';

const run = promisify(execFile);
const isRoot = hasPart('root', process.getuid?.() === 0);
const account = 'acc_ada' as AccountId;
const cleanups: (() => Promise<unknown>)[] = [];
let dir: string;
let dataDir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cc-full-data-'));
  dataDir = join(dir, 'coordinator');
  cleanups.push(() => rm(dir, { recursive: true }));
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function mountDisk(folder: string, sizeMiB: number): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await run(programPath('mount'), ['-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=700`, 'tmpfs', folder]);
  cleanups.push(() => run(programPath('umount'), ['--lazy', folder]));
}
async function resizeDisk(folder: string, sizeMiB: number): Promise<void> {
  await run(programPath('mount'), ['-o', `remount,size=${sizeMiB}m`, folder]);
}
async function fill(folder: string): Promise<void> {
  const file = await open(join(folder, 'filler'), 'a');
  const block = Buffer.alloc(4096, 1);
  while ((await file.write(block).catch(() => undefined)) !== undefined);
  await file.close();
}
const empty = (folder: string) => rm(join(folder, 'filler'));

/** It hears each refusal, where another client would try again. */
const impatient = (baseUrl: string, apiKey: string): Client =>
  createClient({ baseUrl, apiKey, maxTries: 1, exchange: createNodeExchange() });

async function start(): Promise<LocalCoordinator> {
  const coordinator = await createCoordinator({ dir, name: 'full.test', settings: { log_level: 'warn' } });
  cleanups.push(() => coordinator.process.kill());
  return coordinator;
}

it.skipIf(!isRoot)('waits for room at its start and while it runs, and goes on by itself', async () => {
  await mountDisk(dataDir, 48);
  await fill(dataDir);
  const starting = start();
  await waitUntil(
    'it to wait',
    async () =>
      (await readFile(join(dir, 'coordinator.log'), 'utf8').catch(() => '')).includes('waiting for room'),
    { timeoutMs: 20_000 },
  );
  await empty(dataDir);
  const { operator, process, url } = await starting;
  const diskLevel = async () => ((await (await fetch(`${url}/healthz`)).json()) as { disk?: string }).disk;
  await expect.poll(diskLevel).toBe(undefined);

  await fill(dataDir);
  await expect.poll(diskLevel).toBe('full');
  const operatorKey = (await readFile(join(dataDir, 'operator.key'), 'utf8')).trim();
  await expect(
    impatient(url, operatorKey).call('createAccount', { body: { id: account } }),
  ).rejects.toMatchObject({ code: 'service.disk_low' });
  await process.expectRunning();
  await empty(dataDir);
  await expect.poll(diskLevel).toBe(undefined);
  await operator.call('createAccount', { body: { id: account } });
});

it.skipIf(!isRoot)('outlives a disk that has no room for logs, uploads and snapshots', async () => {
  const logs = join(dataDir, 'logs');
  const snapshots = join(dataDir, 'snapshots');
  for (const folder of [logs, join(dataDir, 'artifacts', 'staging'), snapshots]) await mountDisk(folder, 1);
  const coordinator = await start();
  const { process, url } = coordinator;
  const { secret } = await coordinator.openAccount(account, 10n ** 12n);
  const client = impatient(url, secret);
  const agent = new ScriptedAgent({ url, act: () => 'hold' });
  cleanups.push(async () => agent.cut());
  await agent.connect();
  const job = await client.call('submitJob', {
    body: { version: '1', image: 'busybox', price: { max_per_hour: '10', currency: 'CAPA' } },
    query: {},
    idempotencyKey: 'full-data-folder',
  });
  await expect.poll(() => agent.held.size).toBe(1);
  const headers = {
    authorization: `Bearer ${agent.welcome?.token ?? ''}`,
    'content-type': 'application/octet-stream',
  };
  const chunk = Buffer.alloc(256 * 1024, 'z');
  for (const held of agent.held.values()) {
    const path = `${url}/v1/tasks/${held.task}/attempts/${held.attempt}/log`;
    const write = async (offset: number, body: Buffer, more = '') => {
      const { status } = await fetch(`${path}?offset=${offset}${more}`, { method: 'PUT', headers, body });
      expect([offset, status]).toEqual([offset, 200]);
    };
    for (let offset = 0; offset < 2 ** 21; offset += chunk.length) await write(offset, chunk);
    await resizeDisk(logs, 2);
    await write(2 ** 21, Buffer.from('the last words\n'), '&final=true');
    const log = await fetch(path, { headers: { authorization: `Bearer ${secret}` } });
    const [from, to] = (log.headers.get('log-gap') ?? '').split('-').map(Number);
    expect([from, to]).toEqual([expect.any(Number), 2 ** 21]);
    // What was lost before there was room is in the gap, and the beginning is as it was written.
    expect(await log.text()).toBe(`${'z'.repeat(from ?? 0)}the last words\n`);
    expect(from).toBeGreaterThan(0);
    agent.finish(held);
  }
  expect(await waitForJob(client, job.id)).toMatchObject({ state: 'succeeded' });

  const file = join(dir, 'input');
  await writeFile(file, randomBytes(2 ** 21));
  await expect(uploadArtifact(client, file, { pauseMs: 1 })).rejects.toMatchObject({
    code: 'artifact.store_full',
  });
  await process.expectRunning();

  const logsBytes = async () => (await client.call('getOwnAccount', {})).storage?.logs_bytes;
  const before = await logsBytes();
  expect(before).toBeGreaterThan(0);
  await fill(snapshots);
  agent.cut();
  expect(await process.stop()).toBe(0);
  expect(await readFile(join(dir, 'coordinator.log'), 'utf8')).toContain('a snapshot could not be written');
  await coordinator.start();
  await expect.poll(logsBytes).toBe(before);
});
