import type { AccountId } from '@capacloud/protocol/ids';
import type { ResponseOf } from '@capacloud/protocol/routes/routes';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';

const job = { version: '1', image: 'busybox', timeout: '1m', price: { max_total: '0.000001' } };
let coordinator: TestCoordinator;
let first: JobView;
let second: JobView;

/** Two jobs called render, with more than a page of others between them. */
beforeAll(async () => {
  coordinator = await startCoordinator();
  [first] = await submit([{ ...job, name: 'render' }]);
  for (let count = 0; count < 4; count++) await submit(Array.from({ length: 256 }, () => job));
  [second] = await submit([{ ...job, name: 'render', replicas: 2 }]);
});
afterAll(() => coordinator.close());

async function submit(jobs: readonly unknown[]): Promise<[JobView, ...JobView[]]> {
  const headers = { 'idempotency-key': crypto.randomUUID() };
  const response = await coordinator.call('POST', '/v1/jobs/batch', { json: { jobs }, headers });
  const { results } = (await response.json()) as ResponseOf<'submitJobs'>;
  return results.map((each) => ('job' in each ? each.job : expect.unreachable(each.problem.detail))) as never;
}

async function list(query: Readonly<Record<string, string>>, key?: string): Promise<ResponseOf<'listJobs'>> {
  const response = await coordinator.call('GET', `/v1/jobs?${String(new URLSearchParams(query))}`, { key });
  expect(response.status).toBe(200);
  return (await response.json()) as ResponseOf<'listJobs'>;
}

it('finds jobs by name, newest first, a bounded number of jobs a page', async () => {
  const page = await list({ name: 'render' });
  expect(page.items.map(({ id }) => id)).toEqual([second.id]);
  const rest = await list({ name: 'render', cursor: page.next ?? '' });
  expect(rest.items.map(({ id }) => id)).toEqual([first.id]);
  expect(rest.next).toBeUndefined();
  expect(await list({ name: 'rende' })).toMatchObject({ items: [], next: page.next });
});

it('finds jobs by what their id begins with', async () => {
  for (const length of [14, 24]) {
    const found = await list({ id_prefix: second.id.slice(0, length) });
    expect(found.items.map(({ id }) => id)).toEqual([second.id]);
  }
  const both = { id_prefix: second.id.slice(0, 14) };
  expect((await list({ ...both, state: 'failed' })).items).toEqual([]);
  expect((await list({ ...both, name: 'other' })).items).toEqual([]);
});

it.each(['job_abc', 'job_ABCD', 'abcd', 'job_1111', '%'])(
  'refuses %j as the beginning of an id',
  async (prefix) => {
    const response = await coordinator.call('GET', `/v1/jobs?id_prefix=${encodeURIComponent(prefix)}`);
    expect(response.status).toBe(422);
  },
);

it('finds no job of another account', async () => {
  const account = 'acc_other' as AccountId;
  await coordinator.do({ type: 'account.open', at: Date.now(), account });
  const other = await coordinator.addKey(account, 'consumer');
  expect((await list({ name: 'render' }, other)).items).toEqual([]);
  expect((await list({ id_prefix: second.id.slice(0, 14) }, other)).items).toEqual([]);
});
