import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiError } from '@capacloud/client/api-error';
import { type Client, createClient } from '@capacloud/client/client';
import { waitForJob } from '@capacloud/client/follow';
import { createNodeExchange } from '@capacloud/client/node-exchange';
import type { AccountId, JobId } from '@capacloud/protocol/ids';
import type { StorageView } from '@capacloud/protocol/routes/storage-view';
import { hasPart } from '@capacloud/rig/engine/real-parts';
import { createCoordinator, type LocalCoordinator } from '@capacloud/rig/network/local-network';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SmallDisk } from '../chaos/small-disk.ts';

const isRoot = hasPart('root', process.getuid?.() === 0);
const diskMiB = 200;
const chunk = Buffer.alloc(256 * 1024, 'z');
const price = { max_per_hour: '10', currency: 'CAPA' };
/** As if there were no rates: what holds is to hold by the room alone. */
const boundless = { per_second: 1_000_000, burst: 1_000_000 };
const rates = { account: boundless, address: boundless, job_bytes: { per_second: 2 ** 40, burst: 2 ** 40 } };
/** One that is refused so often in a row has got what it will get. */
const giveUpAfter = 20;
/** As many as a machine takes at once. */
const floodTasks = 4;

let dir: string;
let disk: SmallDisk;
let coordinator: LocalCoordinator | undefined;
let agent: ScriptedAgent | undefined;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cc-small-disk-'));
  disk = await SmallDisk.mount(join(dir, 'coordinator'), diskMiB);
});
afterEach(async () => {
  agent?.cut();
  await coordinator?.process.stop();
  await disk.close();
  await rm(dir, { recursive: true, force: true });
});

let submissions = 0;
async function submit(client: Client, more: object): Promise<JobId> {
  const body = { version: '1', image: 'busybox', price, ...more };
  const idempotencyKey = `small-disk-${++submissions}`;
  return (await client.call('submitJob', { body, query: {}, idempotencyKey })).id;
}

/** Jobs of 190 KiB that are cancelled at once, until no more are taken. */
async function floodSpecs(client: Client): Promise<{ readonly taken: number; readonly code: string }> {
  const command = Array.from({ length: 6 }, () => 'z'.repeat(32_000));
  let taken = 0;
  let code = '';
  for (let refused = 0; refused < giveUpAfter; ) {
    try {
      const job = await submit(client, { command, placement: { regions: ['nowhere'] } });
      taken += 1;
      refused = 0;
      await client.call('cancelJob', { params: { job } });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refused += 1;
      code = error.code;
    }
  }
  return { taken, code };
}

/** A machine that writes as much for each of its attempts as one may. */
async function floodLogs(url: string, client: Client, liar: ScriptedAgent): Promise<void> {
  await submit(client, { command: ['flood'], replicas: floodTasks });
  await expect.poll(() => liar.held.size).toBe(floodTasks);
  for (const { task, attempt } of liar.held.values())
    for (let offset = 0; offset < 16 * 2 ** 20; offset += chunk.length) {
      const response = await fetch(`${url}/v1/tasks/${task}/attempts/${attempt}/log?offset=${offset}`, {
        method: 'PUT',
        headers: {
          authorization: `Bearer ${liar.welcome?.token ?? ''}`,
          'content-type': 'application/octet-stream',
        },
        body: chunk,
      });
      // What is not kept is taken all the same, so that no task fails by its log.
      expect(response.status).toBe(200);
    }
  for (const held of liar.held.values()) liar.finish(held);
  await expect.poll(() => liar.held.size).toBe(0);
}

async function storageOf(client: Client): Promise<StorageView> {
  const { storage } = await client.call('getOwnAccount', {});
  if (storage === undefined) throw new Error('an account without storage');
  return storage;
}

it.skipIf(!isRoot)(
  'takes jobs of others while an account floods a small disk with logs and specs, and after a restart as well',
  async () => {
    coordinator = await createCoordinator({
      dir,
      name: 'small.test',
      settings: { log_level: 'warn', rates },
    });
    const { process, url } = coordinator;
    const { secret } = await coordinator.openAccount('acc_mallory' as AccountId, 10n ** 15n);
    const { client: victim } = await coordinator.openAccount('acc_ada' as AccountId, 10n ** 12n);
    const attacker = createClient({
      baseUrl: url,
      apiKey: secret,
      maxTries: 1,
      exchange: createNodeExchange(),
    });
    agent = new ScriptedAgent({
      url,
      act: ({ command }) =>
        command?.[0] === 'flood' ? 'hold' : { reason: 'completed', exitCode: 0, ranMs: 1 },
    });
    const victimSucceeds = async (): Promise<void> => {
      await process.expectRunning();
      const job = await submit(victim, { command: ['true'] });
      expect(await waitForJob(victim, job)).toMatchObject({ state: 'succeeded' });
    };

    await agent.connect();
    await floodLogs(url, attacker, agent);
    const flood = await floodSpecs(attacker);
    expect(flood.code).toBe('service.disk_low');
    await victimSucceeds();
    const before = await storageOf(attacker);
    expect(before.logs_bytes).toBeGreaterThan(0);
    expect(before.used_bytes).toBeLessThan(diskMiB * 2 ** 20);
    agent.cut();
    await process.kill();
    await coordinator.start();

    // Logs are counted from their files then, one after another.
    await expect.poll(() => storageOf(attacker)).toEqual(before);
    await agent.connect();
    await floodLogs(url, attacker, agent);
    const again = await floodSpecs(attacker);
    expect(again.code).toBe('service.disk_low');
    expect(again.taken).toBeLessThan(flood.taken / 4);
    await victimSucceeds();
  },
);
