import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiError } from './api-error.ts';
import { type Client, createClient } from './client.ts';
import type { Exchange } from './exchange.ts';
import { createNodeExchange } from './node-exchange.ts';
import { listAll } from './pages.ts';
import { broken, json, problem, ScriptedServer, text } from './testing/scripted-server.ts';
import { jobId, jobView } from './testing/views.ts';

function* blanks(): Generator<Buffer> {
  for (;;) yield Buffer.alloc(2 ** 20, 32);
}

let server: ScriptedServer;
beforeEach(async () => {
  server = await ScriptedServer.start();
});
afterEach(() => server.stop());

const exchanges = { fetch: undefined, 'node:http': createNodeExchange() };
let exchange: Exchange | undefined;
const clientOf = (maxTries?: number): Client =>
  createClient({
    baseUrl: `${server.url}/`,
    apiKey: 'cck_x',
    ...(maxTries === undefined ? {} : { maxTries }),
    ...(exchange === undefined ? {} : { exchange }),
  });

function refusalOf(work: Promise<unknown>): Promise<ApiError> {
  return work.then(
    () => expect.unreachable('it should have been refused'),
    (error: ApiError) => error,
  );
}

describe.each(Object.entries(exchanges))('call over %s', (_, chosen) => {
  beforeEach(() => {
    exchange = chosen;
  });
  afterEach(() => {
    exchange = undefined;
  });

  test('fills in path, query and headers', async () => {
    server.on(`GET /v1/jobs/${jobId}/tasks`, json({ items: [] }));
    const page = await clientOf().call('listTasks', { params: { job: jobId }, query: { limit: 7 } });
    expect(page).toEqual({ items: [] });
    expect(server.seen).toMatchObject([{ headers: { authorization: 'Bearer cck_x' } }]);
    expect(server.seen[0]?.query.toString()).toBe('limit=7');
  });

  test('keeps the idempotency key over retries, and makes a new one for the next call', async () => {
    server.on('POST /v1/jobs', problem('service.overloaded'), broken('{"id"'), json(jobView(), 201));
    await clientOf().call('submitJob', { body: { version: '1' } });
    await clientOf().call('submitJob', { body: { version: '1' } });
    const keys = server.requests('POST /v1/jobs').map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(4);
    expect(new Set(keys.slice(0, 3)).size).toBe(1);
    expect(new Set(keys).size).toBe(2);
    expect(server.seen.map(({ body }) => body.toString())).toEqual(Array(4).fill('{"version":"1"}'));
  });

  test('does not repeat a call without a key that may have happened', async () => {
    server.on(`POST /v1/jobs/${jobId}/cancel`, broken());
    const error = await refusalOf(clientOf().call('cancelJob', { params: { job: jobId } }));
    expect(error.code).toBe('network');
    expect(server.seen).toHaveLength(1);
  });

  test('tries so many times and no more', async () => {
    server.on('GET /v1/account', problem('service.draining'));
    const error = await refusalOf(clientOf(3).call('getOwnAccount', {}));
    expect(error).toMatchObject({ code: 'service.draining', status: 503, retryAfterS: 0 });
    expect(server.seen).toHaveLength(3);
  });

  test('does not repeat what a repeat cannot mend', async () => {
    const errors = [{ pointer: '/image', message: 'lacks' }];
    server.on('POST /v1/jobs', problem('job.invalid', { errors }));
    const error = await refusalOf(clientOf().call('submitJob', { body: {} }));
    expect(error).toMatchObject({
      name: 'ApiError',
      code: 'job.invalid',
      status: 422,
      message: 'The job file is not valid!',
      requestId: 'req-1',
      problems: errors,
      retryable: false,
    });
    expect(server.seen).toHaveLength(1);
  });

  test('says it plainly when nobody answers', async () => {
    const { url } = server;
    await server.stop();
    const client = createClient({ baseUrl: url, maxTries: 2 });
    const error = await refusalOf(client.call('getOwnAccount', {}));
    expect(error).toMatchObject({ code: 'network', status: 0, retryable: true });
    expect(error.message).toContain(`${url} did not answer: connect ECONNREFUSED`);
    server = await ScriptedServer.start();
  });

  test('says what to write where nobody speaks TLS', async () => {
    const baseUrl = server.url.replace('http:', 'https:');
    const error = await refusalOf(createClient({ baseUrl, maxTries: 1 }).call('getOwnAccount', {}));
    expect(error.message).toBe(`${baseUrl} did not answer: what listens there does not speak TLS`);
    expect(error.hint).toContain(`Write ${server.url} `);
  });

  test.each([
    ['a page of a proxy', text('<html>bad gateway</html>', 502), 'service.internal'],
    ['a problem of another kind', json({ code: 'other.thing' }, 404), 'request.invalid'],
    ['JSON that is none', text('{', 200, { 'content-type': 'application/json' }), 'network'],
  ] as const)('%s is an error too', async (_, reply, code) => {
    server.on('GET /v1/account', reply);
    expect(await refusalOf(clientOf(1).call('getOwnAccount', {}))).toMatchObject({ code });
  });

  test('does not follow a redirection, which could carry the key away', async () => {
    server.on('GET /v1/account', text('', 301, { location: 'https://elsewhere.example/' }));
    const error = await refusalOf(clientOf(1).call('getOwnAccount', {}));
    expect(error.hint).toContain('https://elsewhere.example/');
    expect(server.seen).toHaveLength(1);
  });

  test('refuses an answer without an end', async () => {
    server.on('GET /v1/account', (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      Readable.from(blanks()).pipe(response);
    });
    const error = await refusalOf(clientOf(1).call('getOwnAccount', {}));
    expect(error.message).toContain('the answer is too large');
  });

  test('stops when it is told to, also between tries', async () => {
    server.on('GET /v1/account', problem('service.draining'));
    const stop = new AbortController();
    const work = createClient({ baseUrl: server.url, maxTries: 1000 }).call('getOwnAccount', {
      signal: stop.signal,
    });
    await expect.poll(() => server.seen.length).toBeGreaterThan(0);
    stop.abort(new Error('enough'));
    await expect(work).rejects.toThrow('enough');
  });
});

describe('listAll', () => {
  test('reads page after page', async () => {
    server.on(
      'GET /v1/jobs',
      json({ items: [jobView({ name: 'a' })], next: 'two' }),
      json({ items: [jobView({ name: 'b' })] }),
    );
    const names: (string | undefined)[] = [];
    for await (const job of listAll(clientOf(), 'listJobs', { query: { limit: 1 } })) names.push(job.name);
    expect(names).toEqual(['a', 'b']);
    expect(server.seen.map(({ query }) => query.toString())).toEqual(['limit=1', 'limit=1&cursor=two']);
  });

  test('ends when a page leads to itself', async () => {
    server.on('GET /v1/jobs', json({ items: [], next: 'same' }));
    await expect(Array.fromAsync(listAll(clientOf(), 'listJobs', {}))).rejects.toThrow('repeats a page');
    expect(server.seen).toHaveLength(2);
  });
});
