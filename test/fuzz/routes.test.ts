import { Agent, request } from 'node:http';
import { openApiDocument } from '@capacloud/coordinator/api/openapi';
import { type ErrorCode, errorCatalogue, isErrorCode } from '@capacloud/protocol/catalogue/errors';
import { JobFileSchema } from '@capacloud/protocol/job/job-file';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import { type Route, type RouteName, routes } from '@capacloud/protocol/routes/routes';
import { until } from '@capacloud/rig/network/gateway-rig';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import fc from 'fast-check';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditLog } from '../chaos/audit-log.ts';
import { dice, holds, pick } from './fuzz-run.ts';
import { type House, openHouse } from './house.ts';
import { oddTexts, oddValue, spoiled, torn } from './odd-values.ts';
import { valuesOf } from './schema-values.ts';

const artifact = Buffer.from('an artifact');
const others = [Buffer.from('second'), Buffer.from('third')];
/** Announced and not uploaded. */
const fresh = Buffer.from('fresh');
/** A call that succeeds, for routes where drawn ones hardly ever do. */
const plainCalls: Partial<Record<RouteName, { readonly query?: string; readonly body?: unknown }>> = {
  creditAccount: { body: { amount_nano: '5' } },
  createKey: { body: { name: 'x' } },
  createArtifact: { body: { sha256: sha256Hex(fresh.toString()), size_bytes: fresh.length } },
  getInclusionProof: { query: '?index=1&size=3' },
  getConsistencyProof: { query: '?from=1&to=3' },
  appendLog: { query: '?offset=0' },
};
const patienceMs = 15_000;
let house: House;
let agent: ScriptedAgent;
/** Ids of what there is, by the parameter that names it. */
const known = new Map<string, string[]>();
const keys = new Map<string, string>();

beforeAll(async () => {
  house = await openHouse();
  agent = new ScriptedAgent({ url: house.url });
  const { token } = await agent.connect();
  await until(() => agent.isConnected, 'the agent');
  const job = await house.consumer.call('submitJob', { body: plainJob, query: { wait: 20 } });
  const key = await house.consumer.call('createKey', { body: { name: 'short' } });
  known
    .set('job', [job.id])
    .set('task', [`${job.id}.0`, `${job.id}.1`])
    .set('attempt', ['1', '2']);
  known.set('node', [agent.identity.node]).set('account', ['acc_fuzz', 'acc_operator', 'house:fees']);
  known
    .set(
      'sha256',
      [artifact, ...others, fresh].map((bytes) => sha256Hex(bytes.toString())),
    )
    .set('id', [key.id]);
  keys.set('consumer', house.consumerKey).set('operator', house.operatorKey).set('agent', token);
});
afterAll(async () => {
  agent.close();
  await house.stop();
});

const plainJob = {
  version: '1' as const,
  image: 'busybox',
  replicas: 2,
  resources: { cpu: '10m', memory: '8Mi', disk: '1Mi', shm_size: '1Mi' },
  price: { max_per_hour: '1', currency: 'CAPA' as const },
};

interface Call {
  readonly name: RouteName;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
}
interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const connections = new Agent({ keepAlive: true, maxSockets: 64 });

/** Sends bytes as they are. A stream counts as answered once it has begun. */
function send({ method, path, headers, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      { host: '127.0.0.1', port: house.port, method, path, headers, agent: connections, timeout: patienceMs },
      (response) => {
        const type = response.headers['content-type'] ?? '';
        const status = response.statusCode ?? 0;
        if (type.startsWith('text/event-stream')) {
          resolve({ status, type, body: '' });
          response.destroy();
          return;
        }
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status, type, body: text }));
        response.on('error', reject);
      },
    );
    call.on('timeout', () => call.destroy(new Error('no answer came in time')));
    call.on('error', reject);
    call.end(body);
  });
}

const oddParts = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '%00',
    '%2e%2e%2f',
    '%zz',
    '%ff%fe',
    '',
    '__proto__',
    'constructor',
    'x'.repeat(130),
    '0',
    '-1',
    '1e400',
    '%f0%9f%92%a5'.repeat(3),
  ),
  fc.string({ unit: 'binary-ascii', maxLength: 20 }).map(encodeURIComponent),
);
const keyNames = ['consumer', 'operator', 'agent', 'wrong', 'malformed', 'none'] as const;
const ownKeys = {
  none: 'none',
  consumer: 'consumer',
  operator: 'operator',
  agent: 'agent',
  'consumer-or-agent': 'consumer',
} as const;
function keyOf(route: Route): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant<string>(ownKeys[route.auth]) },
    { weight: 1, arbitrary: fc.constantFrom<string>(...keyNames) },
  );
}
const odds: Readonly<Record<string, string>> = {
  wrong: `cck_${'a'.repeat(40)}`,
  malformed: 'é'.normalize('NFD').slice(0, 1) + ' x',
};

function paramOf(name: string, schema: object): fc.Arbitrary<string> {
  const there = fc.nat().map((n) => {
    const ids = known.get(name) ?? ['x'];
    return ids[n % ids.length] ?? 'x';
  });
  return fc.oneof(
    { weight: 5, arbitrary: there },
    { weight: 1, arbitrary: valuesOf(schema).map((value) => encodeURIComponent(String(value))) },
    { weight: 1, arbitrary: oddParts },
  );
}

function queryOf(name: RouteName, route: Route): fc.Arbitrary<string> {
  if (route.query === undefined) return fc.constantFrom('', '', '', '?x=1', '?__proto__=1', '?', '?&=&');
  const { properties = {} } = route.query as { readonly properties?: Readonly<Record<string, object>> };
  const sound = valuesOf(route.query).map((value) => {
    const { wait, ...query } = value as Record<string, unknown>;
    const all = wait === undefined ? query : { ...query, wait: 0 };
    return `?${Object.entries(all)
      .map(([key, item]) => `${key}=${encodeURIComponent(String(item))}`)
      .join('&')}`;
  });
  const names = Object.keys(properties).filter((key) => key !== 'wait');
  const odd = fc
    .tuple(fc.constantFrom(...names, '__proto__', 'x'), oddParts)
    .map(([key, value]) => `?${key}=${value}`);
  return fc.oneof(
    fc.constant(plainCalls[name]?.query ?? ''),
    sound,
    odd,
    fc.tuple(sound, odd).map(([one, other]) => `${one}&${other.slice(1)}`),
  );
}

function bodyOf(name: RouteName, route: Route): fc.Arbitrary<Buffer | undefined> {
  if (route.body === 'binary')
    return fc.oneof(
      fc.constant(fresh),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.constant(Buffer.alloc(0)),
      fc.constant(undefined),
    );
  const schema = name === 'submitJob' ? JobFileSchema : route.body;
  const sound = schema === undefined ? fc.constant(undefined) : valuesOf(schema);
  const plainBody = name === 'submitJob' ? plainJob : plainCalls[name]?.body;
  const plain = plainBody === undefined ? sound : fc.constant<unknown>(plainBody);
  const texts = fc
    .oneof({ weight: 4, arbitrary: plain }, sound, spoiled(plain), spoiled(sound), oddValue)
    .map((value) => (value === undefined ? undefined : JSON.stringify(value)));
  const odd = fc.oneof(fc.constantFrom(...oddTexts), torn(texts.map((text) => text ?? '')));
  return fc
    .oneof({ weight: 3, arbitrary: texts }, { weight: 1, arbitrary: odd })
    .map((text) => (text === undefined ? undefined : Buffer.from(text)));
}

const headersOf = (route: Route) =>
  fc.record({
    key: keyOf(route),
    idempotency: fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom('one', 'two', 'three', '', 'x'.repeat(129), ' y ') },
      { weight: 4, arbitrary: fc.uuid() },
    ),
    type: fc.oneof(
      {
        weight: 8,
        arbitrary: fc.constant(route.body === 'binary' ? 'application/octet-stream' : 'application/json'),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '',
          'text/plain',
          'application/json; charset=utf-16',
          'multipart/form-data',
          'a'.repeat(300),
        ),
      },
    ),
    extra: fc.oneof(
      fc.constant<Record<string, string>>(route.body === 'binary' ? { 'upload-offset': '0' } : {}),
      fc.constantFrom<Record<string, string>>(
        { range: 'bytes=0-3' },
        { range: 'bytes=99-' },
        { 'if-none-match': '*' },
        { 'last-event-id': '1e400' },
        { 'last-event-id': '3' },
        { 'upload-offset': '0' },
        { 'upload-offset': '5' },
        { 'upload-offset': '-0' },
        { 'upload-offset': '99999999999999999999' },
        { accept: 'text/event-stream' },
        { 'x-forwarded-for': '1.2.3.4, ::1' },
        { expect: '200-nothing' },
        { 'content-encoding': 'gzip' },
      ),
    ),
  });

function callOf(name: RouteName): fc.Arbitrary<Call> {
  const route: Route = routes[name];
  const { properties = {} } = (route.params ?? {}) as {
    readonly properties?: Readonly<Record<string, object>>;
  };
  const params = fc.record(
    Object.fromEntries(Object.entries(properties).map(([param, schema]) => [param, paramOf(param, schema)])),
  );
  const methods = fc.oneof(
    { weight: 8, arbitrary: fc.constant<string>(route.method) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'),
    },
  );
  return fc
    .tuple(methods, params, queryOf(name, route), bodyOf(name, route), headersOf(route))
    .map(([method, values, query, body, headers]) => {
      const token = keys.get(headers.key) ?? odds[headers.key];
      return {
        name,
        method,
        path: route.path.replaceAll(/\{(\w+)\}/g, (_, param: string) => values[param] ?? '') + query,
        body: method === 'GET' || method === 'HEAD' ? undefined : body,
        headers: {
          ...headers.extra,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(headers.idempotency === '' ? {} : { 'idempotency-key': headers.idempotency }),
          ...(headers.type === '' || body === undefined ? {} : { 'content-type': headers.type }),
        },
      };
    });
}

const document = openApiDocument('0.0.0') as unknown as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: object }>>>>;
};
/** What the HTTP layer answers before a route is known. */
const everywhere: readonly ErrorCode[] = [
  'request.not_found',
  'request.method_not_allowed',
  'request.malformed',
  'request.too_large',
  'request.invalid',
  'request.unsupported_media_type',
];
const seen = new Map<string, Set<number>>();

function expectDocumented(call: Call, { status, type, body }: Answer): void {
  const route: Route = routes[call.name];
  const label = `${call.method} ${call.name}`;
  seen.set(label, (seen.get(label) ?? new Set()).add(status));
  expect(status).not.toBe(500);
  if (status >= 400) {
    if (call.method === 'HEAD') return;
    expect(type).toBe('application/problem+json; charset=utf-8');
    const problem = JSON.parse(body) as {
      readonly code: string;
      readonly status: number;
      readonly hint: string;
    };
    expect(isErrorCode(problem.code)).toBe(true);
    const code = problem.code as ErrorCode;
    expect([errorCatalogue[code].http, problem.status]).toEqual([status, status]);
    expect(problem.hint).not.toBe('');
    const own = document.paths[route.path]?.[route.method.toLowerCase()]?.responses ?? {};
    expect(
      everywhere.includes(code) || Object.hasOwn(own, `${status}`),
      `${label}: ${code} is not documented`,
    ).toBe(true);
    return;
  }
  const isOwn = call.method === route.method && status === route.status;
  if (isOwn && typeof route.response === 'object')
    expect(Value.Check(route.response, JSON.parse(body))).toBe(true);
  else expect([200, 201, 204, 206, 304]).toContain(status);
}

test('whatever is sent to a route is answered with what is documented, in time', async () => {
  const names = Object.keys(routes) as RouteName[];
  for (const name of names)
    await holds(callOf(name), 25, async (call) => {
      expectDocumented(call, await send(call));
    });
  expect(house.errors).toEqual([]);
  // A fuzzer that is refused at the door finds nothing behind it.
  const unreached = names.filter((name) => {
    const { method, status } = routes[name];
    return !seen.get(`${method} ${name}`)?.has(status);
  });
  expect(unreached.length, unreached.join(' ')).toBeLessThan(names.length / 4);
});

test('what breaks off half-way or is no HTTP is closed, and the next request is answered', async () => {
  const { connect } = await import('node:net');
  const random = dice(7);
  const lines = [
    'GET /healthz HTTP/1.1\r\n',
    'POST /v1/jobs HTTP/1.1\r\n',
    'host: x\r\n',
    'content-length: 5\r\n',
    'content-length: 6\r\n',
    'transfer-encoding: chunked\r\n',
    'connection: upgrade\r\n',
    'upgrade: websocket\r\n',
    '\r\n',
    '5\r\nhello\r\n',
    'ffffffffffffffff\r\n',
    '\0',
    '\r',
    '\n',
    ' : \r\n',
    `x: ${'y'.repeat(20_000)}\r\n`,
    'GET /v1/session HTTP/1.1\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01',
  ];
  for (let round = 0; round < 150; round++) {
    const text = Array.from({ length: 1 + random(8) }, () => pick(random, lines)).join('');
    await new Promise<void>((resolve) => {
      const socket = connect(house.port, '127.0.0.1', () => socket.end(text));
      socket.on('data', () => socket.destroy());
      socket.on('error', () => {});
      socket.on('close', () => resolve());
      // A request that is whole but for its body waits for it as long as the server allows.
      setTimeout(() => socket.destroy(), 50);
    });
  }
  expect((await fetch(`${house.url}/healthz`)).status).toBe(200);
  expect(house.errors).toEqual([]);
});

test('after all of that the books sum to zero, the log proves itself, and a restart finds the same state', async () => {
  await until(() => agent.unacknowledged === 0, 'the end of the agent’s reports');
  const { items } = await house.operator.call('listAccounts', { query: { limit: 500 } });
  let sumNano = 0n;
  for (const account of items) sumNano += BigInt(account.available_nano);
  expect(sumNano).toBe(0n);
  agent.close();
  const findings: string[] = [];
  await auditLog(house.operator, findings);
  expect(findings).toEqual([]);
  expect(items.length).toBeGreaterThan(2);
  const before = await house.operator.call('getStateHash', {});
  await house.restart();
  const after = await house.operator.call('getStateHash', {});
  if (after.size === before.size) expect(after.hash).toBe(before.hash);
  expect(after.size).toBeGreaterThanOrEqual(before.size);
  expect(house.errors).toEqual([]);
});
