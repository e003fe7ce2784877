import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Client, createClient } from './client.ts';
import { json, problem, ScriptedServer, type SeenRequest } from './testing/scripted-server.ts';
import { jobView } from './testing/views.ts';

let server: ScriptedServer;
let client: Client;
beforeEach(async () => {
  server = await ScriptedServer.start();
  client = createClient({ baseUrl: server.url, apiKey: 'cck_x' });
});
afterEach(() => server.stop());

const submit = (name: string) => client.call('submitJob', { body: { version: '1', name } });
const viewOf = (name: string) => ({ job: { ...jobView(), name } });
const problemOf = (code: ErrorCode, retryable = false) => ({
  problem: { type: '', title: '', status: 422, code, detail: 'No.', hint: '', retryable, request_id: 'r' },
});
const namesOf = (request: SeenRequest | undefined) =>
  (JSON.parse(String(request?.body)) as { jobs: { name: string }[] }).jobs.map(({ name }) => name);

test('goes at once when nothing is under way, and together with others when something is', async () => {
  server.on('POST /v1/jobs', json(jobView(), 201));
  server.on('POST /v1/jobs/batch', json({ results: ['c', 'd', 'e'].map(viewOf) }));
  const views = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(submit));
  expect(server.requests('POST /v1/jobs')).toHaveLength(2);
  const [batch] = server.requests('POST /v1/jobs/batch');
  expect(namesOf(batch)).toEqual(['c', 'd', 'e']);
  expect(batch?.headers['idempotency-key']).toMatch(/./);
  expect(views.slice(2).map(({ name }) => name)).toEqual(['c', 'd', 'e']);
});

test('tells each what became of it, and asks again for what may be mended', async () => {
  server.on(
    'POST /v1/jobs',
    json(jobView(), 201),
    json(jobView(), 201),
    json({ ...jobView(), name: 'late' }, 201),
  );
  const results = [problemOf('job.invalid'), problemOf('service.overloaded', true), viewOf('e')];
  server.on('POST /v1/jobs/batch', json({ results }));
  const [, , c, d, e] = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map(submit));
  expect(c).toMatchObject({ status: 'rejected', reason: { code: 'job.invalid', message: 'No.' } });
  expect(d).toMatchObject({ status: 'fulfilled', value: { name: 'late' } });
  expect(e).toMatchObject({ status: 'fulfilled', value: { name: 'e' } });
});

test('fails all of a request that fails', async () => {
  server.on('POST /v1/jobs', json(jobView(), 201));
  server.on('POST /v1/jobs/batch', problem('auth.forbidden'));
  const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd'].map(submit));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected']);
});

test('keeps requests within 64 jobs and a quarter of a MiB, and leaves calls with options alone', async () => {
  server.on('POST /v1/jobs', json(jobView(), 201));
  server.on('POST /v1/jobs/batch', (request, response) =>
    json({ results: namesOf(request).map(viewOf) })(request, response),
  );
  const large = (index: number) =>
    client.call('submitJob', { body: { version: '1', name: `l${index}`, env: { A: 'x'.repeat(100_000) } } });
  await Promise.all([
    ...Array.from({ length: 100 }, (_, index) => submit(`s${index}`)),
    ...Array.from({ length: 5 }, (_, index) => large(index)),
    client.call('submitJob', { body: { version: '1' }, idempotencyKey: 'own' }),
  ]);
  const batches = server.requests('POST /v1/jobs/batch').map((request) => namesOf(request).length);
  // Two are under way at a time, and either may arrive first.
  expect(Math.max(...batches)).toBe(64);
  expect(batches.reduce((sum, each) => sum + each, 0) + server.requests('POST /v1/jobs').length).toBe(106);
  for (const { body } of server.requests('POST /v1/jobs/batch')) expect(body.length).toBeLessThan(300_000);
  expect(server.requests('POST /v1/jobs').map(({ headers }) => headers['idempotency-key'])).toContain('own');
});
