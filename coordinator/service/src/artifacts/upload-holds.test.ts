import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type JobId, type TaskId, taskIdOf } from '@capacloud/protocol/ids';
import type { JobView, TaskView, WhyView } from '@capacloud/protocol/routes/views';
import { afterEach, expect, it, vi } from 'vitest';
import { agentToken, startCoordinator, type TestCoordinator, testNode } from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
afterEach(() => coordinator.close());

const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const job = { version: '1', image: 'busybox', outputs: [{ path: '/out/' }] };
const output = Buffer.alloc(8000, 'output');
const own = Buffer.alloc(18_000, 'own');
const patience = { timeout: 10_000 };

/** As an agent, where `attempt` names the attempt, or as the consumer. */
function announce(bytes: Buffer, attempt?: string, by = agentToken) {
  return coordinator.call('POST', '/v1/artifacts', {
    key: by === '' ? undefined : by,
    json: { sha256: hashOf(bytes), size_bytes: bytes.length },
    headers: attempt === undefined ? {} : { 'capacloud-attempt': attempt },
  });
}
function append(bytes: Buffer, attempt?: string, by = agentToken) {
  return coordinator.call('PATCH', `/v1/artifacts/${hashOf(bytes)}`, {
    key: by === '' ? undefined : by,
    body: new Uint8Array(bytes),
    headers: {
      'content-type': 'application/octet-stream',
      'upload-offset': '0',
      ...(attempt === undefined ? {} : { 'capacloud-attempt': attempt }),
    },
  });
}
async function submit(key: string): Promise<TaskId> {
  const response = await coordinator.call('POST', '/v1/jobs', {
    json: job,
    headers: { 'idempotency-key': key },
  });
  return taskIdOf(((await response.json()) as JobView).id, 0);
}
async function view(task: TaskId): Promise<TaskView> {
  return (await (await coordinator.call('GET', `/v1/tasks/${task}`)).json()) as TaskView;
}
/** A task that uploads its outputs on the test node. */
async function uploading(key: string): Promise<TaskId> {
  const task = await submit(key);
  await vi.waitFor(async () => expect((await view(task)).state).toBe('assigned'), patience);
  for (const stage of ['running', 'uploading'] as const) await coordinator.progress(task, 1, stage);
  return task;
}
const held = () => [...coordinator.sequencer.state.held].map(({ id }) => id);
const code = async (response: Response) => ((await response.json()) as { readonly code?: string }).code;

it('keeps a task whose outputs its consumer has no room for, and goes on once the consumer deletes something', async () => {
  coordinator = await startCoordinator({ config: { accountArtifactBytes: 30_000 } });
  await coordinator.connectNode();
  await announce(own, undefined, '');
  await append(own, undefined, '');
  const task = await uploading('first');
  const other = await uploading('other');
  const refused = await announce(output, `${task}/1`);
  expect([refused.status, await code(refused)]).toEqual([507, 'artifact.consumer_full']);
  expect(held()).toEqual([task]);
  expect(await view(task)).toMatchObject({ state: 'uploading', reason: 'quota_full' });
  const waiting = await submit('second');
  await vi.waitFor(async () => expect((await view(waiting)).reason).toBe('quota_full'), patience);
  const why = (await (await coordinator.call('GET', `/v1/tasks/${waiting}/why`)).json()) as WhyView;
  expect(why).toMatchObject({ reason: 'quota_full', hint: expect.stringContaining('capacloud rm') });
  const plan = await coordinator.call('POST', '/v1/plans', { json: job });
  expect(await plan.json()).toMatchObject({ tasks_now: 0, kept_back: { reason: 'quota_full' } });
  // What another task of the account brought counts as well, before it has succeeded.
  await coordinator.call('DELETE', `/v1/artifacts/${hashOf(own)}`);
  await vi.waitFor(() => expect(held()).toEqual([]), patience);
  const others = Buffer.alloc(16_000, 'other');
  expect((await announce(others, `${other}/1`)).status).toBe(200);
  // An announcement takes no room from anybody; the bytes do, before and after they are all here.
  expect((await announce(output, `${task}/1`)).status).toBe(200);
  expect((await append(others, `${other}/1`)).status).toBe(200);
  expect(await code(await append(output, `${task}/1`))).toBe('artifact.consumer_full');
  expect(held()).toEqual([task]);
  await coordinator.finish(other, 1, { reason: 'exit_nonzero', exitCode: 1 });
  await vi.waitFor(() => expect(held()).toEqual([]), patience);
  await vi.waitFor(async () => expect((await view(waiting)).state).toBe('assigned'), patience);
  expect((await announce(output, `${task}/1`)).status).toBe(200);
  expect(await (await append(output, `${task}/1`)).json()).toMatchObject({ complete: true });
});

it('keeps outputs where the disk is full, says so to the operator, and lets them come when it is not', async () => {
  let freeBytes = 10;
  const diskSpace = () => Promise.resolve({ freeBytes, sizeBytes: 100_000 });
  coordinator = await startCoordinator({ diskSpace });
  await coordinator.connectNode();
  const task = await uploading('first');
  const refused = await announce(output, `${task}/1`);
  expect([refused.status, await code(refused)]).toEqual([507, 'artifact.store_full']);
  expect(held()).toEqual([task]);
  const health = await coordinator.call('GET', '/healthz');
  expect(await health.json()).toEqual({ status: 'ok', artifact_store: 'full' });
  expect(await code(await announce(own, undefined, ''))).toBe('artifact.store_full');
  freeBytes = 90_000;
  await vi.waitFor(() => expect(held()).toEqual([]), patience);
  expect((await announce(output, `${task}/1`)).status).toBe(200);
  // It fills up under an upload that had its room.
  freeBytes = 20_000;
  const chunk = await append(output, `${task}/1`);
  expect(await code(chunk)).toBe('artifact.store_full');
  expect(held()).toEqual([task]);
});

it('does not alarm the operator for what a consumer announces', async () => {
  coordinator = await startCoordinator({ config: { totalArtifactBytes: 10_000 } });
  const large = Buffer.alloc(20_000, 'large');
  expect(await code(await announce(large, undefined, ''))).toBe('artifact.store_full');
  expect(coordinator.room.storeState()).toBeUndefined();
});

it('takes a disk that cannot be written for its own fault', async () => {
  coordinator = await startCoordinator();
  await coordinator.connectNode();
  const task = await uploading('first');
  await announce(output, `${task}/1`);
  await rm(join(coordinator.dataDir, 'artifacts', 'staging', `${task}@1@${testNode}`), { recursive: true });
  expect(await code(await append(output, `${task}/1`))).toBe('artifact.store_failed');
  expect(held()).toEqual([task]);
  expect(coordinator.room.storeState()).toBe('failing');
});

it('holds all that an agent of before uploads, because that does not say whose outputs it brings', async () => {
  coordinator = await startCoordinator({ config: { totalArtifactBytes: 400 } });
  await coordinator.connectNode();
  const [first, second] = [await uploading('first'), await uploading('second')];
  expect(await code(await announce(output))).toBe('artifact.store_full');
  expect(held()).toEqual([first, second]);
  await coordinator.finish(first, 1, { reason: 'upload_failed' });
  expect(await view(first)).toMatchObject({ state: 'failed', reason: 'store_full' });
  expect(coordinator.sequencer.state.nodes.get(testNode)?.standing.failures).toEqual([]);
});

it('stops no clock for what cannot be an output of the task, nor by the word of an attempt that is another', async () => {
  coordinator = await startCoordinator({ config: { totalArtifactBytes: 400 } });
  await coordinator.connectNode();
  const task = await uploading('first');
  const stranger = taskIdOf(`job_${'z'.repeat(20)}` as JobId, 0);
  for (const attempt of [`${task}/2`, `${stranger}/1`])
    expect(await code(await announce(output, attempt))).toBe('attempt.unknown');
  const large = await coordinator.call('POST', '/v1/artifacts', {
    key: agentToken,
    json: { sha256: 'a'.repeat(64), size_bytes: 65 * 2 ** 30 },
    headers: { 'capacloud-attempt': `${task}/1` },
  });
  expect(await code(large)).toBe('request.too_large');
  expect(held()).toEqual([]);
});
