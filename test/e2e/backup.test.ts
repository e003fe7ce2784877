import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { uploadArtifact } from '@capacloud/client/artifact-files';
import type { Client } from '@capacloud/client/client';
import type { AccountId, JobId } from '@capacloud/protocol/ids';
import { taskIdOf } from '@capacloud/protocol/ids';
import { endedJobStates } from '@capacloud/protocol/routes/states';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { createCoordinator, type LocalCoordinator } from '@capacloud/rig/network/local-network';
import { runCommand } from '@capacloud/rig/network/network-rig';
import { eventsOf, readEvents } from '@capacloud/rig/network/public-log';
import { type Act, ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { waitUntil } from '@capacloud/rig/programs/managed-process';
import { repositoryRoot } from '@capacloud/rig/repository-root';
import { afterEach, beforeEach, expect, it } from 'vitest';

const main = join(repositoryRoot, 'coordinator', 'service', 'dist', 'main.js');
const patience = { timeoutMs: 60_000 };
let dir: string;
let coordinator: LocalCoordinator;
let agents: ScriptedAgent[];
let client: Client;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cc-backup-'));
  coordinator = await createCoordinator({ dir, name: 'backup.test', settings: { log_level: 'warn' } });
  ({ client } = await coordinator.openAccount('acc_ada' as AccountId, 10n ** 15n));
  agents = Array.from({ length: 3 }, () => new ScriptedAgent({ url: coordinator.url, act: actOf }));
  for (const agent of agents) await agent.connect();
});
afterEach(async () => {
  for (const agent of agents) agent.cut();
  await coordinator.process.kill();
  await rm(dir, { recursive: true, force: true });
});

function actOf({ env }: Assignment): Act {
  return env.ACT === 'hold' ? 'hold' : { reason: 'completed', exitCode: 0, ranMs: 1 };
}

async function submit(act: string, replicas: number): Promise<JobId> {
  const body = { version: '1', image: 'busybox', command: 'true', env: { ACT: act }, replicas };
  return (await client.call('submitJob', { body, query: {} })).id;
}

/** Jobs, one after the other, until it is told to stop; gives their number. */
function keepSubmitting(): () => Promise<number> {
  let stopping = false;
  let jobs = 0;
  const done = (async () => {
    while (!stopping) {
      await submit('work', 20);
      jobs += 1;
    }
  })();
  return async () => {
    stopping = true;
    await done;
    return jobs;
  };
}

const finished = () => agents.reduce((sum, agent) => sum + agent.acked, 0);
const held = () => agents.reduce((sum, agent) => sum + agent.held.size, 0);

async function command(...args: readonly string[]) {
  return runCommand([main, ...args]);
}

it('restores what a running coordinator was, and every task that the backup knows ends once', async () => {
  await writeFile(join(dir, 'input.txt'), 'kept\n');
  const artifact = await uploadArtifact(client, join(dir, 'input.txt'));
  const before = await submit('hold', 3);
  await waitUntil('the agents to hold its tasks', () => held() >= 3, patience);
  const stop = keepSubmitting();
  await waitUntil('work to flow', () => finished() >= 60, patience);
  const backup = join(dir, 'backups', 'one');
  await writeFile(join(coordinator.dataDir, 'later-release.state'), 'kept\n', { mode: 0o600 });
  const [startedAt, startedWith] = [performance.now(), finished()];
  const taken = await command('backup', backup, '--data-dir', coordinator.dataDir);
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `backup under load: ${seconds.toFixed(2)} s, ${((finished() - startedWith) / seconds).toFixed(0)} tasks/s`,
  );
  expect(taken).toMatchObject({ code: 0, stderr: '' });
  const { log, artifacts } = JSON.parse(taken.stdout) as {
    log: { size: number; root: string };
    artifacts: number;
  };
  expect(artifacts).toBe(1);
  const backedUp = await readdir(backup);
  for (const name of ['image.secret', 'log.key', 'nonce.secret', 'operator.key', 'later-release.state'])
    expect(backedUp).toContain(name);
  for (const name of ['coordinator.high-water', 'coordinator.lock']) expect(backedUp).not.toContain(name);
  for (const name of await readdir(backup)) expect((await stat(join(backup, name))).mode & 0o077).toBe(0);
  expect(await readdir(join(dir, 'backups'))).toEqual(['one']);

  // What comes from here on is lost with the disk.
  const later = finished();
  await waitUntil('more work to be done', () => finished() >= later + 60, patience);
  expect(await stop()).toBeGreaterThan(3);
  const after = await submit('hold', 3);
  await waitUntil('the agents to hold tasks of both', () => held() >= 6, patience);
  await coordinator.process.kill();
  const lost = taskIdOf(after, 0);
  const holder = agents.find((agent) => agent.held.has(`${lost}-1`));
  holder?.finish({ task: lost, attempt: 1 });
  await rename(coordinator.dataDir, join(dir, 'lost'));

  const restored = await command('restore', backup, '--data-dir', coordinator.dataDir);
  expect(restored).toMatchObject({ code: 0, stderr: expect.stringContaining('is gone') });
  const audit = await command('state-hash', '--data-dir', coordinator.dataDir);
  expect(JSON.parse(audit.stdout)).toMatchObject({ size: log.size, root: log.root });
  expect(await readFile(join(coordinator.dataDir, 'image.secret'), 'utf8')).toBe(
    await readFile(join(dir, 'lost', 'image.secret'), 'utf8'),
  );
  await coordinator.start();
  for (const agent of agents) await agent.connect();
  // What they report of a task that this log has never heard of is acknowledged, and forgotten.
  await waitUntil(
    'every report to be acknowledged',
    () => agents.every((agent) => agent.unacknowledged === 0),
    patience,
  );
  expect(agents.some((agent) => [...agent.held.keys()].some((key) => key.startsWith(after)))).toBe(false);
  for (const agent of agents)
    for (const { task, attempt } of agent.held.values())
      if (task.startsWith(before)) agent.finish({ task, attempt });
  await waitUntil('all that it knows to end', allEnded, patience);
  await expectSound(await coordinator.operator.call('getStateHash', {}));
  await expect(client.call('getJob', { params: { job: after } })).rejects.toMatchObject({
    code: 'request.not_found',
  });
  expect(await (await client.open('getArtifact', { params: { sha256: artifact.sha256 } })).text()).toBe(
    'kept\n',
  );
}, 180_000);

async function allEnded(): Promise<boolean> {
  const { items } = await client.call('listJobs', { query: { limit: 500 } });
  return items.every(({ state }) => endedJobStates.includes(state));
}

/** The log tells of one end for each task, and its replay is the state that the process has. */
async function expectSound(live: { readonly size: number; readonly hash: string }): Promise<void> {
  const events = (await readEvents(client)).slice(0, live.size);
  const ends = [
    ...eventsOf(events, 'attempt.ended').filter(({ then }) => then.kind !== 'requeued'),
    ...eventsOf(events, 'task.ended'),
  ].map(({ task }) => task);
  const tasks = eventsOf(events, 'job.submitted').reduce((sum, job) => sum + job.tasks, 0);
  expect(ends).toHaveLength(tasks);
  expect(new Set(ends).size).toBe(tasks);
  const { items } = await coordinator.operator.call('listAccounts', { query: { limit: 500 } });
  expect(items.reduce((sum, account) => sum + BigInt(account.available_nano), 0n)).toBe(0n);
  await coordinator.process.stop();
  const audit = JSON.parse((await command('state-hash', '--data-dir', coordinator.dataDir)).stdout) as {
    size: number;
    hash: string;
  };
  if (audit.size === live.size) expect(audit.hash).toBe(live.hash);
  else expect(audit.size).toBeGreaterThan(live.size);
  await coordinator.start();
}

it('refuses a place that is taken, and a backup that is not what was taken', async () => {
  const backup = join(dir, 'one');
  expect((await command('backup', backup, '--data-dir', coordinator.dataDir)).code).toBe(0);
  const again = await command('backup', backup, '--data-dir', coordinator.dataDir);
  expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') });
  const onto = await command('restore', backup, '--data-dir', coordinator.dataDir);
  expect(onto).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') });
  const target = join(dir, 'restored');
  for (const name of ['coordinator.db', 'log.key', 'operator.key', 'manifest.json']) {
    const path = join(backup, name);
    const good = await readFile(path);
    const bad = Buffer.from(good);
    const middle = Math.floor(bad.length / 2);
    bad[middle] = (bad[middle] ?? 0) ^ 1;
    await writeFile(path, bad);
    const refused = await command('restore', backup, '--data-dir', target);
    expect([name, refused.code]).toEqual([name, 1]);
    expect(refused.stderr).toMatch(/\(log\.(damaged|foreign)\)\nhint: /);
    await rm(path);
    expect((await command('restore', backup, '--data-dir', target)).code).toBe(1);
    await writeFile(path, good);
  }
  expect((await readdir(dir)).filter((name) => name.startsWith('restored'))).toEqual([]);
  expect((await command('restore', backup, '--data-dir', target)).code).toBe(0);
  const nowhere = await command('backup', join(dir, 'two'), '--data-dir', join(dir, 'nothing'));
  expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining('no coordinator') });
}, 120_000);
