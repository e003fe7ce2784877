import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type AccountId, type JobId, type TaskId, taskIdOf } from '@capacloud/protocol/ids';
import type { StorageView } from '@capacloud/protocol/routes/storage-view';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterEach, expect, it, vi } from 'vitest';
import type { DiskLevel } from '../ports/disk-room.ts';
import { endlessDisk } from '../testing/endless-disk.ts';
import { agentToken, startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
afterEach(() => coordinator.close());

const mebibyte = 2 ** 20;
const chunk = Buffer.alloc(256 * 1024, 'z');
const patience = { timeout: 10_000 };
const code = async (response: Response) => ((await response.json()) as { readonly code?: string }).code;

async function submit(key: string, more: object = {}): Promise<Response> {
  return coordinator.call('POST', '/v1/jobs', {
    json: { version: '1', image: 'busybox', ...more },
    headers: { 'idempotency-key': key },
  });
}
async function submitted(key: string, more: object = {}): Promise<JobId> {
  return ((await (await submit(key, more)).json()) as JobView).id;
}
async function assigned(task: TaskId, attempt = 1): Promise<void> {
  const state = () => coordinator.sequencer.state.tasks.get(task);
  await vi.waitFor(() => expect([state()?.state, state()?.attempt]).toEqual(['assigned', attempt]), patience);
}
function writeLog(task: TaskId, attempt: number, offset: number, body: Buffer, more = '') {
  return coordinator.call('PUT', `/v1/tasks/${task}/attempts/${attempt}/log?offset=${offset}${more}`, {
    key: agentToken,
    body: new Uint8Array(body),
    headers: { 'content-type': 'application/octet-stream' },
  });
}
/** As a hostile machine: as much as one attempt may ever write. */
async function floodLog(task: TaskId, attempt = 1): Promise<void> {
  for (let offset = 0; offset < 16 * mebibyte; offset += chunk.length)
    expect((await writeLog(task, attempt, offset, chunk)).status).toBe(200);
}
async function bytesOfLogs(): Promise<number> {
  let bytes = 0;
  const folder = join(coordinator.dataDir, 'logs');
  for (const name of await readdir(folder, { recursive: true })) {
    const file = await stat(join(folder, name));
    if (file.isFile()) bytes += file.size;
  }
  return bytes;
}
const storage = async (): Promise<StorageView> =>
  ((await (await coordinator.call('GET', '/v1/account')).json()) as { storage: StorageView }).storage;

it('bounds what the logs of a job keep, names the gap, and fails no task for it', async () => {
  coordinator = await startCoordinator({ config: { jobLogBytes: 3 * mebibyte } });
  await coordinator.connectNode();
  const job = await submitted('flood', { replicas: 3 });
  const tasks = [0, 1, 2].map((index) => taskIdOf(job, index));
  for (const task of tasks) await assigned(task);
  const [first, second, third] = tasks as [TaskId, TaskId, TaskId];
  await floodLog(first);
  await floodLog(second);
  expect(await bytesOfLogs()).toBeLessThan(mebibyte);
  const last = Buffer.from('the last words\n');
  await writeLog(third, 1, 0, Buffer.from('the first words\n'));
  expect((await writeLog(first, 1, 16 * mebibyte, last, '&final=true')).status).toBe(200);
  const log = await coordinator.call('GET', `/v1/tasks/${first}/attempts/1/log`);
  expect(log.headers.get('log-gap')).toMatch(/^\d+-\d+$/);
  const text = await log.text();
  expect([text.startsWith('zzz'), text.endsWith('zthe last words\n')]).toEqual([true, true]);
  // One machine that floods its log takes nothing of the others.
  expect(await (await coordinator.call('GET', `/v1/tasks/${third}/attempts/1/log`)).text()).toBe(
    'the first words\n',
  );
  await coordinator.progress(first, 1, 'running');
  await coordinator.finish(first, 1);
  expect(coordinator.sequencer.state.tasks.get(first)?.state ?? 'succeeded').toBe('succeeded');
});

it('keeps the logs of the newest attempts of a task, and takes what comes of older ones all the same', async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
  const retry = { max_attempts: 10, on: ['error'], backoff: { initial: '1s', max: '1s' } };
  const job = await submitted('retried', { retry });
  const task = taskIdOf(job, 0);
  let at = Date.now();
  for (let attempt = 1; attempt <= 6; attempt++) {
    await assigned(task, attempt);
    await writeLog(task, attempt, 0, Buffer.from(`of ${attempt}`));
    if (attempt < 6) {
      await coordinator.finish(task, attempt, { reason: 'exit_nonzero', exitCode: 1 });
      // The pause before the next attempt is over.
      at += 1100;
      await coordinator.do({ type: 'tick', at, heard: new Map(), listeningSince: at });
    }
  }
  const texts = await Promise.all(
    [1, 2, 3, 4, 5, 6].map(async (attempt) =>
      (await coordinator.call('GET', `/v1/tasks/${task}/attempts/${attempt}/log`)).text(),
    ),
  );
  expect(texts).toEqual(['', '', 'of 3', 'of 4', 'of 5', 'of 6']);
  const old = await writeLog(task, 1, 0, chunk, '&final=true');
  expect([old.status, await old.json()]).toEqual([200, { offset: chunk.length }]);
  expect(await bytesOfLogs()).toBe(4 * 4);
}, 30_000);

it('counts jobs, logs and answers for their account, refuses jobs beyond its quota, and frees them with rm', async () => {
  coordinator = await startCoordinator({ config: { accountArtifactBytes: 400_000 } });
  await coordinator.connectNode();
  const running = await submitted('small');
  const task = taskIdOf(running, 0);
  await assigned(task);
  const filler = { command: ['z'.repeat(30_000), 'z'.repeat(30_000)], placement: { regions: ['nowhere'] } };
  const jobs: JobId[] = [];
  let refused = await submit('job-0', filler);
  while (refused.status === 201) {
    jobs.push(((await refused.json()) as JobView).id);
    refused = await submit(`job-${jobs.length}`, filler);
  }
  expect([refused.status, await code(refused)]).toEqual([413, 'artifact.quota_exceeded']);
  expect(jobs.length).toBeLessThan(7);
  const full = await storage();
  expect(full.jobs_bytes).toBeGreaterThan(60_000 * jobs.length);
  expect(full.answers_bytes).toBeGreaterThan(0);
  expect(full.used_bytes).toBe(
    full.artifacts_bytes + full.logs_bytes + full.jobs_bytes + full.receipts_bytes + full.answers_bytes,
  );
  // What runs goes on: its log has the rest of the room, and its receipt is kept.
  for (let offset = 0; offset < mebibyte; offset += chunk.length)
    expect((await writeLog(task, 1, offset, chunk)).status).toBe(200);
  await coordinator.progress(task, 1, 'running');
  await coordinator.finish(task, 1);
  const ended = await storage();
  expect(ended.logs_bytes).toBeGreaterThan(0);
  expect(ended.receipts_bytes).toBeGreaterThan(0);
  expect(ended.used_bytes).toBeLessThan(400_000 + 10_000);
  for (const job of [...jobs, running]) {
    await coordinator.call('POST', `/v1/jobs/${job}/cancel`);
    const freed = await coordinator.call('DELETE', `/v1/jobs/${job}/artifacts`);
    expect(freed.status).toBe(200);
  }
  expect(await storage()).toMatchObject({ logs_bytes: 0, artifacts_bytes: 0 });
  expect((await submit('again', filler)).status).toBe(201);
  const shown = (await (await coordinator.call('GET', `/v1/jobs/${running}`)).json()) as { spec: object };
  expect(shown.spec).toEqual({});
});

it('bounds the bytes of job specs by time, though each job is cancelled at once', async () => {
  const generous = { perSecond: 1e6, burst: 1e6 };
  const rates = { account: generous, address: generous, anonymous: generous };
  coordinator = await startCoordinator({
    config: { rates: { ...rates, jobBytes: { perSecond: 1, burst: 100_000 } } },
  });
  const command = ['z'.repeat(32_000), 'z'.repeat(32_000)];
  const statuses: number[] = [];
  for (let i = 0; i < 4; i++) {
    const response = await submit(`job-${i}`, { command });
    statuses.push(response.status);
    const { id } = (await response.json()) as JobView;
    if (response.status === 201) await coordinator.call('POST', `/v1/jobs/${id}/cancel`);
  }
  expect(statuses).toEqual([201, 201, 429, 429]);
  // Other accounts have a rate of their own.
  const other = await coordinator.addKey('acc_other' as AccountId, 'consumer');
  await coordinator.do({
    type: 'account.open',
    at: Date.now(),
    account: 'acc_other' as AccountId,
  });
  const answer = await coordinator.call('POST', '/v1/jobs', {
    key: other,
    json: { version: '1', image: 'busybox' },
    headers: { 'idempotency-key': 'other' },
  });
  expect(await code(answer)).toBe('ledger.insufficient_funds');
});

it('takes no new jobs and no files while the disk is low, and lets what runs go on', async () => {
  const disk = { ...endlessDisk, level: 'ample' as DiskLevel };
  coordinator = await startCoordinator({ disk });
  await coordinator.connectNode();
  const job = await submitted('before');
  const task = taskIdOf(job, 0);
  await assigned(task);
  Object.assign(disk, { level: 'low', fileBytes: 0, rowBytes: 0 });
  const refused = await submit('meanwhile');
  expect([refused.status, await code(refused)]).toEqual([507, 'service.disk_low']);
  expect(await (await coordinator.call('GET', '/healthz')).json()).toEqual({ status: 'ok', disk: 'low' });
  expect((await writeLog(task, 1, 0, chunk)).status).toBe(200);
  expect((await writeLog(task, 1, chunk.length, chunk, '&final=true')).status).toBe(200);
  await expect(bytesOfLogs()).rejects.toThrow(/ENOENT/);
  await coordinator.progress(task, 1, 'running');
  await coordinator.finish(task, 1);
  expect((await coordinator.call('GET', `/v1/jobs/${job}`)).status).toBe(200);
  Object.assign(disk, endlessDisk);
  expect((await submit('after')).status).toBe(201);
});

it('places nothing on a disk that is nearly full, and takes up again by itself', async () => {
  const disk = { ...endlessDisk, level: 'full' as DiskLevel };
  coordinator = await startCoordinator({ disk: endlessDisk });
  await coordinator.close();
  disk.level = 'ample';
  coordinator = await startCoordinator({ disk });
  const job = await submitted('queued');
  disk.level = 'full';
  await coordinator.do({ type: 'tick', at: Date.now(), heard: new Map(), listeningSince: Date.now() });
  const late = coordinator.connectNode();
  await expect(late).rejects.toThrow(/nearly full/);
  disk.level = 'ample';
  await coordinator.connectNode();
  await assigned(taskIdOf(job, 0));
});
