import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@capacloud/client/client';
import type { AccountId, Sha256Hex } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import { createCoordinator, type LocalCoordinator } from '@capacloud/rig/network/local-network';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { afterEach, beforeEach, expect, it } from 'vitest';

const sha256 = 'c'.repeat(64) as Sha256Hex;
let dir: string;
let coordinator: LocalCoordinator;
let client: Client;
let agent: ScriptedAgent | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cc-lies-'));
  coordinator = await createCoordinator({ dir, name: 'lies.test', settings: { log_level: 'error' } });
  ({ client } = await coordinator.openAccount('acc_ada' as AccountId, 10n ** 15n));
});
afterEach(async () => {
  agent?.cut();
  await coordinator.process.kill();
  await rm(dir, { recursive: true, force: true });
});

const lies: readonly (readonly [string, Receipt['outputs']])[] = [
  ['nothing', []],
  ['a file that nobody declared', [{ path: '/etc/cron.d/x', sha256, sizeBytes: 5 }]],
  ['a path that leads elsewhere', [{ path: '/out/../../PWNED', sha256, sizeBytes: 5 }]],
  ['a file that was never uploaded', [{ path: '/out/result.json', sha256, sizeBytes: 5 }]],
];

it.each(lies)('does not pay a success that names %s', async (_, outputs) => {
  const liar = new ScriptedAgent({
    url: coordinator.url,
    act: () => ({ reason: 'completed', exitCode: 0, ranMs: 3_600_000, outputs }),
  });
  agent = liar;
  await liar.connect();
  const body = {
    version: '1',
    image: 'busybox',
    command: 'true',
    outputs: [{ path: '/out/result.json' }],
    resources: { disk: '1Mi' },
    retry: { max_attempts: 1, provider_lost: 0 },
  };
  const { id } = await client.call('submitJob', { body, query: {} });
  const task = taskIdOf(id, 0);
  await waitUntil(
    'the attempt to end',
    async () =>
      (await client.call('listAttempts', { params: { task } })).items.some(({ ended_at }) => ended_at),
    { timeoutMs: 30_000 },
  );
  const [attempt] = (await client.call('listAttempts', { params: { task } })).items;
  expect(attempt?.reason).toBe(outputs[0]?.path === '/out/result.json' ? 'upload_failed' : 'agent_failed');
  const job = await client.call('getJob', { params: { job: id } });
  expect(job.charged_nano).toBe('0');
  expect((await client.call('getTask', { params: { task } })).outputs).toEqual([]);
});
