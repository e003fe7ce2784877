import { type JobId, taskIdOf } from '@capacloud/protocol/ids';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import type { ResponseOf } from '@capacloud/protocol/routes/routes';
import type { JobView, TaskView } from '@capacloud/protocol/routes/views';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  consumerAccount,
  startCoordinator,
  type TestCoordinator,
  testNode,
} from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await startCoordinator();
});
afterAll(() => coordinator.close());

const jobFile = { version: '1', image: 'busybox', command: ['true'], timeout: '1m', replicas: 2 };
let keys = 0;
const nextKey = () => ({ 'idempotency-key': `job-${keys++}` });

async function submit(file: object = jobFile, path = '/v1/jobs'): Promise<JobView> {
  const response = await coordinator.call('POST', path, { json: file, headers: nextKey() });
  expect(response.status).toBe(201);
  return (await response.json()) as JobView;
}
async function json<T>(path: string, key?: string): Promise<T> {
  const response = await coordinator.call('GET', path, { key });
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

type Results = ResponseOf<'submitJobs'>['results'];

describe('a batch of submissions', () => {
  const submitBatch = async (jobs: readonly unknown[], headers = nextKey()) => {
    const response = await coordinator.call('POST', '/v1/jobs/batch', { json: { jobs }, headers });
    expect(response.status).toBe(200);
    return { response, results: ((await response.json()) as { results: Results }).results };
  };

  it('takes or refuses each by itself, in order', async () => {
    const poor = { ...jobFile, price: { max_per_hour: '90000000' } };
    const { results } = await submitBatch([
      jobFile,
      { ...jobFile, image: 1 },
      poor,
      { ...jobFile, name: 'last' },
    ]);
    expect(results.map((each) => ('job' in each ? each.job.state : each.problem.code))).toEqual([
      'queued',
      'job.invalid',
      'ledger.insufficient_funds',
      'queued',
    ]);
    expect(results[3]).toMatchObject({ job: { name: 'last', account: consumerAccount } });
    const { id } = (results[0] as { job: JobView }).job;
    expect(await json<JobView>(`/v1/jobs/${id}`)).toMatchObject({ id, tasks: { total: 2 } });
  });

  it('happens once for a key, as a whole', async () => {
    const headers = nextKey();
    const first = await submitBatch([jobFile, { version: '2' }], headers);
    const size = coordinator.store.log.size();
    const again = await submitBatch([jobFile, { version: '2' }], headers);
    expect(again.results).toEqual(first.results);
    expect(again.response.headers.get('idempotency-replayed')).toBe('true');
    expect(coordinator.store.log.size()).toBe(size);
  });

  it('that was refused altogether may be sent again', async () => {
    const headers = nextKey();
    const { results } = await submitBatch([{ version: '2' }], headers);
    expect(results).toMatchObject([{ problem: { code: 'job.invalid', status: 422 } }]);
    const again = await submitBatch([{ version: '2' }], headers);
    expect(again.response.headers.get('idempotency-replayed')).toBeNull();
  });

  it.each([{ jobs: [] }, { jobs: Array.from({ length: 257 }, () => jobFile) }, { jobs: jobFile }, [jobFile]])(
    'of a wrong shape is refused %#',
    async (body) => {
      const response = await coordinator.call('POST', '/v1/jobs/batch', { json: body, headers: nextKey() });
      expect(response.status).toBe(422);
    },
  );
});

describe('submission', () => {
  it('holds the ceiling, hides the spec behind a salted hash and shows the job', async () => {
    const job = await submit({ ...jobFile, name: 'first', price: { max_per_hour: '0.01' } });
    // 0.01 USD at 0.10 USD a CAPA is 0.1 CAPA an hour; 70 s of it, rounded up.
    expect(job).toMatchObject({ state: 'queued', name: 'first', account: consumerAccount });
    expect(job.max_rate_nano).toBe('100000000');
    expect(job.held_nano).toBe(`${2 * 1_944_445}`);
    const detail = await json<JobView & { spec: unknown }>(`/v1/jobs/${job.id}`);
    expect(detail).toMatchObject({ ...job, spec: { image: 'busybox', replicas: 2 } });
    const stored = await coordinator.store.reads.getJobSpec(job.id);
    expect(job.spec_hash).toBe(sha256Hex(`${stored?.salt}${canonicalJson(detail.spec)}`));
    const log = await json<{ entries: string[] }>('/v1/log/entries');
    expect(log.entries.join('')).toContain(job.spec_hash);
    expect(log.entries.join('')).not.toContain('busybox');
  });

  it('replays the first answer for the same key, and refuses the key for another body', async () => {
    const headers = nextKey();
    const first = await coordinator.call('POST', '/v1/jobs', { json: jobFile, headers });
    const body = await first.text();
    const size = coordinator.store.log.size();
    const again = await coordinator.call('POST', '/v1/jobs', { json: jobFile, headers });
    expect(again.status).toBe(201);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await again.text()).toBe(body);
    expect(coordinator.store.log.size()).toBe(size);
    const other = await coordinator.call('POST', '/v1/jobs', {
      json: { ...jobFile, image: 'other' },
      headers,
    });
    expect(other.status).toBe(409);
    expect(await other.json()).toMatchObject({ code: 'idempotency.mismatch' });
  });

  it('makes one job of twins that arrive at once', async () => {
    const headers = nextKey();
    const twins = await Promise.all(
      Array.from({ length: 8 }, () => coordinator.call('POST', '/v1/jobs', { json: jobFile, headers })),
    );
    const ids = await Promise.all(twins.map(async (twin) => ((await twin.json()) as JobView).id));
    expect(new Set(ids).size).toBe(1);
  });

  it.each([
    ['job.invalid', 422, { ...jobFile, image: '' }],
    ['job.invalid', 422, [1]],
    ['job.invalid', 422, { ...jobFile, price: { max_total: '0.000000001', currency: 'CAPA' } }],
    ['job.unsupported', 422, { ...jobFile, secrets: {} }],
    [
      'job.artifact_missing',
      422,
      { ...jobFile, inputs: [{ source: `artifact:${'a'.repeat(64)}`, target: '/in/a' }] },
    ],
    ['ledger.insufficient_funds', 402, { ...jobFile, price: { max_per_hour: '900000' } }],
  ])('refuses with %s', async (code, status, file) => {
    const response = await coordinator.call('POST', '/v1/jobs', { json: file, headers: nextKey() });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toMatchObject({ code, status });
  });

  it('keeps the spelling of numbers in variables, and refuses those that JSON changes', async () => {
    const send = async (path: string, body: string): Promise<Response> =>
      coordinator.call('POST', path, {
        body,
        headers: { ...nextKey(), 'content-type': 'application/json' },
      });
    const head = '{"version":"1","image":"busybox"';
    const values = '[{"key":"a","operator":"in","values":[1]}]';
    const taken = await send(
      '/v1/jobs',
      `${head},"resources":{"cpu":0.50},"env":{"A":3.10,"B":1e3,"C":true,"D":"1.0","E":-0,"F":0.0000001,"G":1.25E-5}}`,
    );
    const { id } = (await taken.json()) as JobView;
    expect(await json<unknown>(`/v1/jobs/${id}`)).toMatchObject({
      spec: { env: { A: '3.10', B: '1e3', C: 'true', D: '1.0', E: '-0', F: '0.0000001', G: '1.25E-5' } },
    });
    const batch = await send(
      '/v1/jobs/batch',
      `{"jobs":[${head},"env":{"A":3.10},"placement":{"constraints":${values}}},${head},"env":{"ID":1175859412345678901}}]}`,
    );
    const { results } = (await batch.json()) as { results: Results };
    const [first, second] = results;
    if (first === undefined || !('job' in first)) throw new Error('was refused');
    expect(await json<unknown>(`/v1/jobs/${first.job.id}`)).toMatchObject({
      spec: { env: { A: '3.10' }, constraints: [{ key: 'a', operator: 'in', values: ['1'] }] },
    });
    expect(second).toMatchObject({
      problem: {
        code: 'job.invalid',
        errors: [{ pointer: '/env/ID', message: expect.stringContaining('in quotes') as unknown }],
      },
    });
    for (const number of ['12345678901234567890', '9007199254740993', '1e400', '-9007199254740993'])
      for (const path of ['/v1/jobs', '/v1/plans'])
        expect((await send(path, `${head},"env":{"ID":${number}}}`)).status).toBe(422);
  });

  it('wants an idempotency key', async () => {
    const response = await coordinator.call('POST', '/v1/jobs', { json: jobFile });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'idempotency.required' });
  });

  it('pages the jobs, newest first, and refuses a foreign cursor', async () => {
    const made = [await submit(), await submit(), await submit()].map((job) => job.id).reverse();
    const first = await json<{ items: JobView[]; next: string }>('/v1/jobs?limit=2');
    const second = await json<{ items: JobView[] }>(
      `/v1/jobs?limit=2&cursor=${encodeURIComponent(first.next)}`,
    );
    expect([...first.items, ...second.items].slice(0, 3).map((job) => job.id)).toEqual(made);
    const bad = await coordinator.call('GET', '/v1/jobs?cursor=nonsense');
    expect(await bad.json()).toMatchObject({ code: 'request.invalid' });
  });

  it('cancels once', async () => {
    const { id } = await submit();
    const cancelled = await coordinator.call('POST', `/v1/jobs/${id}/cancel`);
    expect(await cancelled.json()).toMatchObject({ state: 'cancelled', held_nano: '0' });
    const again = await coordinator.call('POST', `/v1/jobs/${id}/cancel`);
    expect(again.status).toBe(409);
    expect(await again.json()).toMatchObject({ code: 'job.terminal' });
  });

  it('answers a conditional read of what has not changed with 304', async () => {
    const { id } = await submit();
    const first = await coordinator.call('GET', `/v1/jobs/${id}`);
    const tag = first.headers.get('etag') ?? '';
    const again = await coordinator.call('GET', `/v1/jobs/${id}`, { headers: { 'if-none-match': tag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });
});

it('says why a task waits', async () => {
  const { id } = await submit();
  const { items } = await json<{ items: TaskView[] }>(`/v1/jobs/${id}/tasks`);
  expect(items.map((task) => [task.index, task.state, task.reason])).toEqual([
    [0, 'queued', 'no_nodes'],
    [1, 'queued', 'no_nodes'],
  ]);
});

it('shows tasks, attempts and receipts as they go, and waits for the end when asked to', async () => {
  for (const { id } of (await json<{ items: JobView[] }>('/v1/jobs?state=queued&limit=500')).items)
    await coordinator.call('POST', `/v1/jobs/${id}/cancel`);
  await coordinator.connectNode();
  const headers = nextKey();
  const file = { ...jobFile, replicas: 1 };
  const { id } = (await (
    await coordinator.call('POST', '/v1/jobs', { json: file, headers })
  ).json()) as JobView;
  const task = taskIdOf(id as JobId, 0);
  await expect.poll(async () => (await json<TaskView>(`/v1/tasks/${task}`)).state).toBe('assigned');
  await coordinator.progress(task, 1, 'pulling');
  coordinator.pulls.set(task, { attempt: 1, doneBytes: 5, totalBytes: 10 });
  expect(await json(`/v1/tasks/${task}`)).toMatchObject({ pull: { done_bytes: 5, total_bytes: 10 } });
  await coordinator.progress(task, 1, 'running');
  const waiting = coordinator.call('POST', '/v1/jobs?wait=60', { json: file, headers });
  await coordinator.finish(task, 1, { reason: 'exit_nonzero', exitCode: 3, message: 'It said no.' });
  expect(await (await waiting).json()).toMatchObject({ id, state: 'failed' });
  expect(await json(`/v1/tasks/${task}`)).toMatchObject({
    state: 'failed',
    reason: 'exit_nonzero',
    message: 'It said no.',
    exit_code: 3,
    will_retry: false,
    node: testNode,
  });
  expect(await json(`/v1/tasks/${task}/attempts`)).toMatchObject({
    items: [{ attempt: 1, state: 'ended', reason: 'exit_nonzero', charged_nano: '0' }],
  });
  expect(await json(`/v1/tasks/${task}/attempts/1/receipt`)).toMatchObject({ receipt: { task, attempt: 1 } });
  const none = await coordinator.call('GET', `/v1/tasks/${task}/attempts/2/receipt`);
  expect(none.status).toBe(404);
});

it('shows nothing of an account to another, and everything to the operator', async () => {
  const { id } = await submit();
  const other = await coordinator.addKey('acc_eve' as never, 'consumer');
  for (const path of [
    `/v1/jobs/${id}`,
    `/v1/jobs/${id}/tasks`,
    `/v1/tasks/${id}.0`,
    `/v1/jobs/${id}/events`,
  ]) {
    expect((await coordinator.call('GET', path, { key: other })).status).toBe(404);
  }
  expect((await coordinator.call('POST', `/v1/jobs/${id}/cancel`, { key: other })).status).toBe(404);
  expect((await coordinator.call('GET', `/v1/jobs/${id}`, { key: coordinator.operatorKey })).status).toBe(
    200,
  );
});
