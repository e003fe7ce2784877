import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type ImageReference, parseImageReference } from '@capacloud/protocol/job/image-reference';
import { createConnections } from '@capacloud/transfer/connections';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { readRegistries } from '../../core/registries.ts';
import { PullRefused } from './pull-refused.ts';
import { RegistryClient } from './registry-client.ts';

const { signal } = new AbortController();
const direct = createConnections({ env: {}, agent: { keepAlive: false } });
const secret = 'SECRET of the router of the owner';
type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A registry, and something else in the owner's network that nobody may reach. */
let registry: Server;
let victim: Server;
let answer: Answer;
let visits: string[];

beforeAll(async () => {
  registry = createServer((request, response) => answer(request, response));
  victim = createServer((request, response) => {
    visits.push(request.url ?? '');
    response.end(secret);
  });
  for (const server of [registry, victim])
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
beforeEach(() => {
  visits = [];
  answer = (_request, response) => response.writeHead(404).end();
});
afterAll(() => {
  for (const server of [registry, victim]) {
    server.close();
    server.closeAllConnections();
  }
});

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function reference(text: string): ImageReference {
  const parsed = parseImageReference(text);
  if (!parsed.ok) throw new Error(parsed.refusal);
  return parsed.value;
}

interface Owner {
  readonly allowed?: readonly string[];
  readonly resolve?: (host: string) => Promise<readonly string[]>;
}

/** What is told of the pull of a manifest. */
async function ask(image: string, { allowed, resolve }: Owner = {}) {
  const texts = allowed ?? [`http://127.0.0.1:${portOf(registry)}`];
  const network = { proxied: direct, direct, ...(resolve === undefined ? {} : { resolve }) };
  try {
    const parts = { allowed: readRegistries(texts), network, retryMs: 1 };
    const { bytes } = await new RegistryClient(parts, reference(image)).manifest('latest', signal);
    return bytes.toString();
  } catch (error) {
    if (!(error instanceof PullRefused)) throw error;
    const { detail: _detail, ...told } = error.failure;
    return told;
  }
}

const home = () => `127.0.0.1:${portOf(registry)}/team/app`;

it('tells nothing of a host that is not allowed, whether it is there or not, and looks nothing up', async () => {
  const looked: string[] = [];
  const resolve = (host: string) => {
    looked.push(host);
    return Promise.resolve(['127.0.0.1']);
  };
  const port = portOf(victim);
  const hosts = [
    `127.0.0.1:${port}`,
    '127.0.0.1:1',
    `localhost:${port}`,
    `router.lan:${port}`,
    'nowhere.example',
    `2130706433:${port}`,
    `0x7f.1:${port}`,
    `127.1:${port}`,
    `[::1]:${port}`,
    `[::ffff:7f00:1]:${port}`,
    '169.254.169.254',
    'docker.io.example.net',
    'docker.io:444',
  ];
  for (const allowed of [['default'], [`http://127.0.0.1:${portOf(registry)}`]]) {
    const told = await Promise.all(hosts.map((host) => ask(`${host}/x`, { allowed, resolve })));
    for (const each of told) expect(each).toEqual(told[0]);
    expect(told[0]).toMatchObject({ reason: 'registry_not_allowed' });
  }
  expect([looked, visits]).toEqual([[], []]);
});

it('goes to no private address by a name where all registries are allowed, and says the same as of none', async () => {
  const addresses: Readonly<Record<string, readonly string[]>> = {
    'open.example.com': ['127.0.0.1'],
    'both.example.com': ['93.184.215.14', '127.0.0.1'],
    'metadata.example.com': ['169.254.169.254'],
    'mapped.example.com': ['::ffff:127.0.0.1'],
    'nat64.example.com': ['64:ff9b::7f00:1'],
    'carrier.example.com': ['100.64.0.1'],
    'ula.example.com': ['fd00::1'],
    'any.example.com': ['0.0.0.0'],
    'none.example.com': [],
  };
  const resolve = (host: string) => Promise.resolve(addresses[host] ?? []);
  const told = await Promise.all(
    Object.keys(addresses).map((host) => ask(`${host}/x`, { allowed: ['*'], resolve })),
  );
  for (const each of told) expect(each).toEqual(told[0]);
  expect(told[0]).toMatchObject({ reason: 'registry_failed' });
  // Addresses themselves, other ports and local names are not meant by the star.
  const port = portOf(victim);
  for (const host of [
    '127.0.0.1',
    `x.example.com:${port}`,
    '[::1]',
    `localhost:${port}`,
    'printer.local',
    '127.1',
  ])
    expect(await ask(`${host}/x`, { allowed: ['*'], resolve })).toMatchObject({
      reason: 'registry_not_allowed',
    });
  expect(visits).toEqual([]);
});

it('connects to the address that was judged, whatever the name means a moment later', async () => {
  answer = (_request, response) => response.end('a manifest');
  const answers = [['127.0.0.1'], ['127.0.0.99']];
  const resolve = () => Promise.resolve(answers.shift() ?? []);
  const name = `rebinding.example.com:${portOf(registry)}`;
  expect(await ask(`${name}/x`, { allowed: [`http://${name}`], resolve })).toBe('a manifest');
  expect(answers).toHaveLength(1);
});

it.each<[string, (port: number) => string]>([
  ['another port', (port) => `http://127.0.0.1:${port}/token`],
  ['a name of this machine', (port) => `http://localhost:${port}/token`],
  ['another spelling', (port) => `http://2130706433:${port}/token`],
  ['IPv6', (port) => `http://[::ffff:127.0.0.1]:${port}/token`],
  ['a user', (port) => `http://127.0.0.1:${portOf(registry)}@127.0.0.1:${port}/token`],
  ['TLS on another port', (port) => `https://public.example.com:${port}/token`],
])('asks for no token at %s', async (_, realmOf) => {
  const realm = realmOf(portOf(victim));
  answer = (_request, response) =>
    response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="x"` }).end(secret);
  const told = await ask(home());
  expect(told).toMatchObject({ reason: 'registry_failed' });
  expect(JSON.stringify(told)).not.toMatch(/SECRET|token|localhost/);
  expect(visits).toEqual([]);
});

it.each([301, 302, 307, 308])('follows no redirect %i into the owner’s network', async (status) => {
  answer = (_request, response) =>
    response.writeHead(status, { location: `http://127.0.0.1:${portOf(victim)}/admin` }).end(secret);
  const told = await ask(home());
  expect(told).toMatchObject({ reason: 'registry_failed' });
  expect(JSON.stringify(told)).not.toContain('SECRET');
  // By TLS to a name that leads there, neither.
  answer = (_request, response) =>
    response.writeHead(status, { location: 'https://inside.example.com/admin' }).end();
  const resolve = () => Promise.resolve(['127.0.0.1']);
  expect(await ask(home(), { resolve })).toMatchObject({ reason: 'registry_failed' });
  expect(visits).toEqual([]);
});

it('follows redirects that go round no longer than a few times', async () => {
  let asked = 0;
  answer = (_request, response) => {
    asked += 1;
    response.writeHead(302, { location: '/again' }).end();
  };
  expect(await ask(home())).toMatchObject({ reason: 'registry_failed' });
  expect(asked).toBeLessThan(10);
});

it('gives away no word of an error page, however long', async () => {
  for (const [status, reason] of [
    [500, 'registry_failed'],
    [418, 'registry_failed'],
    [403, 'image_not_found'],
    [404, 'image_not_found'],
  ] as const) {
    answer = (_request, response) => {
      response.writeHead(status);
      for (let part = 0; part < 100; part++) response.write(secret.repeat(1000));
      response.end();
    };
    const told = await ask(home());
    expect(told).toMatchObject({ reason });
    expect(JSON.stringify(told)).not.toContain('SECRET');
  }
  answer = (_request, response) => response.end(Buffer.alloc(5 * 2 ** 20));
  expect(await ask(home())).toMatchObject({ reason: 'registry_failed' });
});

it('gets a token where the registry itself gives one, and sends it nowhere else', async () => {
  const seen: string[] = [];
  answer = (request, response) => {
    const url = new URL(request.url ?? '', 'http://x');
    seen.push(`${url.pathname} ${request.headers.authorization ?? '-'}`);
    if (url.pathname === '/token')
      return response.end(JSON.stringify({ token: url.searchParams.get('scope') }));
    if (request.headers.authorization === undefined)
      return response
        .writeHead(401, {
          'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="s"`,
        })
        .end();
    return response.end('a manifest');
  };
  expect(await ask(home())).toBe('a manifest');
  expect(seen).toEqual([
    '/v2/team/app/manifests/latest -',
    '/token -',
    '/v2/team/app/manifests/latest Bearer repository:team/app:pull',
  ]);
});

it('goes on with a blob where it broke off, and takes no more than it has', async () => {
  const blob = Buffer.alloc(300_000, 'abc');
  const digest = `sha256:${createHash('sha256').update(blob).digest('hex')}`;
  const from: number[] = [];
  answer = (request, response) => {
    const start = Number(/bytes=([0-9]+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    from.push(start);
    response.writeHead(start === 0 ? 200 : 206, { 'content-length': blob.length - start });
    if (start > 0) response.end(blob.subarray(start));
    else response.write(blob.subarray(0, 100_000), () => response.destroy());
  };
  const parts = {
    allowed: readRegistries([`http://127.0.0.1:${portOf(registry)}`]),
    network: { proxied: direct, direct },
    retryMs: 1,
  };
  const client = new RegistryClient(parts, reference(home()));
  const read = async (sizeBytes: number) => {
    const chunks: Buffer[] = [];
    for await (const chunk of client.blobStream(digest, sizeBytes, signal)) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  expect((await read(blob.length)).equals(blob)).toBe(true);
  expect(from).toHaveLength(2);
  await expect(read(blob.length - 1)).rejects.toMatchObject({ failure: { reason: 'registry_failed' } });
});
