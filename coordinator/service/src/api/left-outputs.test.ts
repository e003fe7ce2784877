import { createHash } from 'node:crypto';
import { type JobId, type Sha256Hex, type TaskId, taskIdOf } from '@capacloud/protocol/ids';
import type { JobView, TaskView } from '@capacloud/protocol/routes/views';
import type { OutputFile } from '@capacloud/protocol/wire/receipt';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { agentToken, startCoordinator, type TestCoordinator, testNode } from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
});
afterAll(() => coordinator.close());

async function bring(path: string, text: string, key = agentToken): Promise<OutputFile> {
  const sha256 = createHash('sha256').update(text).digest('hex') as Sha256Hex;
  const sizeBytes = Buffer.byteLength(text);
  await coordinator.call('POST', '/v1/artifacts', { key, json: { sha256, size_bytes: sizeBytes } });
  const headers = { 'content-type': 'application/octet-stream', 'upload-offset': '0' };
  await coordinator.call('PATCH', `/v1/artifacts/${sha256}`, { key, body: text, headers });
  return { path, sha256, sizeBytes };
}

async function begin(maxAttempts = 1): Promise<TaskId> {
  const retry = { max_attempts: maxAttempts, backoff: { initial: '1s', max: '1s' } };
  const response = await coordinator.call('POST', '/v1/jobs', {
    json: { version: '1', image: 'busybox', outputs: [{ path: '/out' }], retry },
    headers: { 'idempotency-key': `left-${Math.random()}` },
  });
  return taskIdOf(((await response.json()) as JobView).id as JobId, 0);
}

async function running(task: TaskId, attempt: number): Promise<void> {
  const assigned = async () => {
    // Nobody else lets time pass here.
    const at = Date.now();
    const heard = new Map([[testNode, { lastAt: at, sinceAt: 0 }]]);
    await coordinator.sequencer.submit({ type: 'tick', at, heard, listeningSince: 0 });
    return await coordinator.store.reads.getTask(task);
  };
  await expect.poll(assigned).toMatchObject({ state: 'assigned', attempts: attempt });
  await coordinator.progress(task, attempt, 'running');
}

async function shown(task: TaskId): Promise<TaskView> {
  return (await (await coordinator.call('GET', `/v1/tasks/${task}`)).json()) as TaskView;
}

async function text({ sha256 }: OutputFile): Promise<string> {
  const got = await coordinator.call('GET', `/v1/artifacts/${sha256}`);
  return got.status === 200 ? await got.text() : `${got.status}`;
}

it('keeps what failed attempts left, the latest of them, and drops it for a success', async () => {
  const task = await begin(3);
  await running(task, 1);
  const first = await bring('/out/a', 'first');
  const skipped = { total: 1, first: [{ path: '/out/pipe', why: 'special' as const }] };
  await coordinator.finish(task, 1, { reason: 'exit_nonzero', exitCode: 3, outputs: [first], skipped });
  expect(await text(first)).toBe('first');
  // While it may be tried again there is nothing to fetch: files of two attempts would mix.
  expect((await shown(task)).outputs).toEqual([]);
  await running(task, 2);
  const second = await bring('/out/b', 'second');
  await coordinator.finish(task, 2, { reason: 'run_timeout', outputs: [second] });
  expect([await text(second), await text(first)]).toEqual(['second', '404']);
  await running(task, 3);
  const third = await bring('/out/c', 'third');
  await coordinator.finish(task, 3, { outputs: [third], links: [{ path: '/out/l', target: 'c' }] });
  expect([await text(third), await text(second)]).toEqual(['third', '404']);
  const view = await shown(task);
  expect(view).toMatchObject({
    state: 'succeeded',
    outputs: [third],
    links: [{ path: '/out/l', target: 'c' }],
  });
  expect(view).not.toHaveProperty('outputs_attempt');
});

it('shows the outputs of the last attempt that left any, where the task fails', async () => {
  const task = await begin(2);
  await running(task, 1);
  const left = await bring('/out/a', 'what there is');
  const skipped = { total: 30, first: [{ path: '/out/pipe', why: 'special' as const }] };
  await coordinator.finish(task, 1, { reason: 'oom_killed', outputs: [left], skipped });
  await running(task, 2);
  await coordinator.finish(task, 2, { reason: 'exit_nonzero', exitCode: 1 });
  expect(await shown(task)).toMatchObject({
    state: 'failed',
    outputs: [left],
    outputs_attempt: 1,
    skipped,
  });
  expect(await text(left)).toBe('what there is');
});

it('gives nobody the file of somebody else for a failure that names it', async () => {
  const eve = await coordinator.addKey('acc_eve' as never, 'consumer');
  const secret = await bring('/out/a', 'private', eve);
  const task = await begin();
  await running(task, 1);
  await coordinator.finish(task, 1, { reason: 'exit_nonzero', exitCode: 1, outputs: [secret] });
  expect(await shown(task)).toMatchObject({ state: 'failed', outputs: [] });
  expect(await text(secret)).toBe('404');
});

it('refuses a job whose outputs it could never store', async () => {
  const response = await coordinator.call('POST', '/v1/jobs', {
    json: { version: '1', image: 'busybox', outputs: [{ path: '/out/model.bin', max_size: '65Mi' }] },
    headers: { 'idempotency-key': 'too-large' },
  });
  expect([response.status, await response.json()]).toMatchObject([
    422,
    { code: 'job.invalid', errors: [{ pointer: '/outputs/0/max_size' }] },
  ]);
});
