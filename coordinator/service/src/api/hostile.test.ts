import { connect } from 'node:net';
import { routes } from '@capacloud/protocol/routes/routes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClientAddresses } from '../client-addresses.ts';
import { endless, startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
beforeAll(async () => {
  coordinator = await startCoordinator({ config: { corsOrigins: ['https://page.example'] } });
});
afterAll(() => coordinator.close());

const json = { 'content-type': 'application/json' };
const key = { 'idempotency-key': 'hostile' };

async function refusal(response: Response): Promise<{ code: string; errors?: { pointer: string }[] }> {
  expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  const problem = (await response.json()) as { code: string; status: number; request_id: string };
  expect(problem.status).toBe(response.status);
  expect(problem.request_id).toBe(response.headers.get('request-id'));
  return problem;
}

/** Sends bytes as they are and gives what comes back. */
function raw(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket = connect(Number(new URL(coordinator.url).port), '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => {
      got += part;
    });
    socket.on('close', () => resolve(got));
    socket.on('error', reject);
  });
}

describe('a request that is not right', () => {
  it.each([
    ['{"version":', 400, 'request.malformed'],
    ['{"__proto__": {"admin": true}}', 400, 'request.malformed'],
    ['{"constructor": {"prototype": {}}}', 400, 'request.malformed'],
    ['', 422, 'request.invalid'],
    ['null', 422, 'request.invalid'],
    [`"${'x'.repeat(1024 * 1024)}"`, 413, 'request.too_large'],
    [`${'['.repeat(100_000)}${']'.repeat(100_000)}`, 422, 'request.invalid'],
    ['[]', 422, 'job.invalid'],
  ])('body %#', async (body, status, code) => {
    const response = await coordinator.call('POST', '/v1/jobs', { body, headers: { ...json, ...key } });
    expect([response.status, (await refusal(response)).code]).toEqual([status, code]);
  });

  it.each(['text/plain', 'application/octet-stream', 'application/xml'])('content type %s', async (type) => {
    const headers = { ...key, 'content-type': type };
    const response = await coordinator.call('POST', '/v1/jobs', { body: '{}', headers });
    expect((await refusal(response)).code).toBe('request.unsupported_media_type');
  });

  it.each([
    ['/v1/jobs?limit=0', '/query/limit'],
    ['/v1/jobs?limit=1e2', '/query/limit'],
    ['/v1/jobs?limit=01', '/query/limit'],
    ['/v1/jobs?limit=5&limit=6', '/query/limit'],
    ['/v1/jobs?limit=99999999999999999999', '/query/limit'],
    ['/v1/jobs?state=strange', '/query/state'],
    ['/v1/jobs?__proto__=1', '/query/__proto__'],
    ['/v1/jobs?other=1', '/query/other'],
    ['/v1/account?other=1', '/query/other'],
    ['/v1/jobs?cursor=a%00b', '/query/cursor'],
    ['/v1/accounts/acc%00', '/params/account'],
    ['/v1/jobs/job_%00', '/params/job'],
    ['/v1/jobs/job_short', '/params/job'],
    ['/v1/artifacts/..%2f..%2fetc%2fpasswd', '/params/sha256'],
    ['/v1/tasks/job_aaaaaaaaaaaaaaaaaaaa.0/attempts/0/log', '/params/attempt'],
  ])('%s', async (path, pointer) => {
    const problem = await refusal(await coordinator.call('GET', path));
    expect([problem.code, problem.errors?.[0]?.pointer]).toEqual(['request.invalid', pointer]);
  });

  it('holds text that nothing can keep', async () => {
    for (const name of ['a\0b', '\ud800']) {
      const problem = await refusal(await coordinator.call('POST', '/v1/keys', { json: { name } }));
      expect([problem.code, problem.errors?.[0]?.pointer]).toEqual(['request.invalid', '/name']);
      const file = { version: '1', image: 'busybox', labels: { [`k${name}`]: 'v', a: name } };
      const refused = await coordinator.call('POST', '/v1/jobs', { json: file, headers: key });
      const pointers = (await refusal(refused)).errors?.map(({ pointer }) => pointer);
      expect([refused.status, pointers]).toEqual([422, ['/labels', '/labels/a']]);
    }
  });

  it('names unknown fields of a body', async () => {
    const body = { name: 'x', owner: 'me' };
    const problem = await refusal(await coordinator.call('POST', '/v1/keys', { json: body }));
    expect([problem.code, problem.errors?.[0]?.pointer]).toEqual(['request.invalid', '/owner']);
  });

  it('finds nothing at unknown paths, and says which methods a known one has', async () => {
    expect((await refusal(await coordinator.call('GET', '/v2/jobs'))).code).toBe('request.not_found');
    expect((await refusal(await coordinator.call('GET', '/v1/jobs/%zz'))).code).toBe('request.malformed');
    const long = await coordinator.call('GET', `/v1/jobs/${'a'.repeat(500)}`);
    expect([404, 422]).toContain(long.status);
    for (const path of new Set(Object.values(routes).map((route) => route.path))) {
      const response = await coordinator.call('OPTIONS', path.replaceAll(/\{\w+\}/g, 'x'));
      expect([path, response.status]).toEqual([path, 405]);
      const methods = Object.values(routes).filter((route) => route.path === path);
      for (const { method } of methods) expect(response.headers.get('allow')).toContain(method);
    }
  });

  it('answers what is not HTTP and headers without end, and closes', async () => {
    expect(await raw('NONSENSE\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*request\.malformed/s);
    const header = `x-long: ${'a'.repeat(40_000)}\r\n`;
    expect(await raw(`GET /healthz HTTP/1.1\r\nhost: x\r\n${header}\r\n`)).toMatch(
      /^HTTP\/1\.1 413 .*request\.too_large/s,
    );
  });
});

it('sets the limits that Node and Fastify leave open', () => {
  const { server } = coordinator.api.app;
  const { headersTimeout, requestTimeout, timeout, keepAliveTimeout, maxRequestsPerSocket } = server;
  for (const limit of [headersTimeout, requestTimeout, timeout, keepAliveTimeout, maxRequestsPerSocket])
    expect(limit).toBeGreaterThan(0);
});

it('needs credentials for every route that is not public', async () => {
  for (const [name, route] of Object.entries(routes)) {
    const path = route.path.replaceAll(/\{\w+\}/g, 'x');
    const response = await coordinator.call(route.method, path, { key: '' });
    if (route.auth === 'none') expect([name, response.status]).not.toEqual([name, 401]);
    else expect([name, (await refusal(response)).code]).toEqual([name, 'auth.missing']);
  }
});

it('lets the browsers of named origins in, and no other', async () => {
  const preflight = (origin: string) =>
    coordinator.call('OPTIONS', '/v1/jobs', {
      headers: { origin, 'access-control-request-method': 'POST' },
    });
  const known = await preflight('https://page.example');
  expect([known.status, known.headers.get('access-control-allow-origin')]).toEqual([
    204,
    'https://page.example',
  ]);
  const unknown = await preflight('https://other.example');
  expect([unknown.status, unknown.headers.get('access-control-allow-origin')]).toEqual([405, null]);
});

it('tells browsers not to guess, frame or keep answers', async () => {
  const { headers } = await coordinator.call('GET', '/healthz', { key: '' });
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(headers.get('cache-control')).toBe('no-store');
});

it('limits the rate of accounts, and that of strangers more', async () => {
  const limited = await startCoordinator({
    config: {
      rates: {
        account: { perSecond: 0.001, burst: 3 },
        address: { perSecond: 1000, burst: 1000 },
        anonymous: { perSecond: 0.001, burst: 2 },
        jobBytes: endless,
      },
    },
  });
  try {
    const statuses = async (who: string, times: number) => {
      const all: Response[] = [];
      for (let i = 0; i < times; i++) all.push(await limited.call('GET', '/v1/nodes', { key: who }));
      return all;
    };
    const own = await statuses(limited.consumerKey, 4);
    expect(own.map((response) => response.status)).toEqual([200, 200, 200, 429]);
    expect(own[0]?.headers.get('ratelimit')).toBe('"account";r=2;t=1000');
    expect(own[0]?.headers.get('ratelimit-policy')).toBe('"account";q=3;w=3000');
    expect(own[3]?.headers.get('retry-after')).toBe('1000');
    expect((await statuses(limited.operatorKey, 1)).map((response) => response.status)).toEqual([200]);
    const strangers = await statuses('', 3);
    expect(strangers.map((response) => response.status)).toEqual([200, 200, 429]);
    const guess = await statuses(`cck_${'a'.repeat(40)}`, 1);
    expect(guess.map((response) => response.status)).toEqual([429]);
  } finally {
    await limited.close();
  }
});

it('counts the clients of a trusted proxy one by one, and believes no header of anybody else', async () => {
  const rates = {
    account: { perSecond: 1000, burst: 1000 },
    address: { perSecond: 1000, burst: 1000 },
    anonymous: { perSecond: 0.001, burst: 1 },
    jobBytes: endless,
  };
  const statuses = async (trustedProxies: readonly string[], names: readonly string[]) => {
    const clients = new ClientAddresses(trustedProxies);
    const limited = await startCoordinator({ config: { rates }, connections: { clients } });
    try {
      const all: number[] = [];
      for (const name of names) {
        const headers = { 'x-forwarded-for': name, forwarded: `for="${name}"` };
        all.push((await fetch(`${limited.url}/v1/nodes`, { headers })).status);
      }
      return all;
    } finally {
      await limited.close();
    }
  };
  const names = ['198.51.100.1', '198.51.100.1', '203.0.113.5, 198.51.100.1', '198.51.100.2'];
  expect(await statuses(['127.0.0.1'], names)).toEqual([200, 429, 429, 200]);
  // One customer has a whole /64.
  const sixes = [
    '2001:db8:1:2::1',
    '2001:db8:1:2:9::1',
    '2001:db8:1:3::1',
    '::ffff:198.51.100.9',
    '198.51.100.9',
  ];
  expect(await statuses(['127.0.0.1'], sixes)).toEqual([200, 429, 200, 200, 429]);
  expect(await statuses([], names)).toEqual([200, 429, 429, 429]);
  expect(await statuses(['198.51.100.0/24'], names)).toEqual([200, 429, 429, 429]);
});
