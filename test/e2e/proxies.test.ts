import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Lease } from '@capacloud/agent/core/lease';
import { systemClock } from '@capacloud/agent/host/system-clock';
import { openDatabase } from '@capacloud/agent/journal/schema';
import { SqliteJournal } from '@capacloud/agent/journal/sqlite-journal';
import { NodeIdentity } from '@capacloud/agent/session/identity';
import { SessionClient } from '@capacloud/agent/session/session-client';
import { CoordinatorHttp } from '@capacloud/agent/transfer/coordinator-http';
import { downloadArtifact, uploadArtifact } from '@capacloud/client/artifact-files';
import { type Client, createClient } from '@capacloud/client/client';
import { createNodeExchange, createNodeOpening, nodeConnections } from '@capacloud/client/node-exchange';
import { readConfig } from '@capacloud/coordinator/config/config';
import { startCoordinator } from '@capacloud/coordinator/coordinator';
import { createConnections } from '@capacloud/transfer/connections';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

const tls = fileURLToPath(new URL('../fixtures/tls/', import.meta.url));
const caFile = join(tls, 'ca.pem');
/** A name that only the proxy knows. */
const name = 'coordinator.test';
const credentials = 'me:p%40ss';
const authorization = `Basic ${Buffer.from('me:p@ss').toString('base64')}`;
const silent = pino({ level: 'silent' });

let folder: string;
let key: string;
let proxyUrl: string;
const stops: (() => unknown)[] = [];
/** Tunnels that the proxy opened, and what came out of them at the coordinator, as text. */
let tunnels: string[] = [];
let heard = '';

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket.on('error', () => socket.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function joinStreams(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.on('error', () => to.destroy());
    from.pipe(to);
  }
}

/** TLS with a certificate of a private authority, before the coordinator. */
function startFront(port: number): Promise<number> {
  const options = { cert: readFileSync(join(tls, 'server.pem')), key: readFileSync(join(tls, 'server.key')) };
  return listen(
    createTlsServer(options, (socket) => {
      socket.on('data', (part) => {
        if (heard.length < 1_000_000) heard += part.toString('latin1');
      });
      joinStreams(socket, connect(port, '127.0.0.1'));
    }),
  );
}

/** Opens tunnels for those who know the password, to that one name. */
function startProxy(front: number): Promise<number> {
  const server = createServer();
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    if (request.headers['proxy-authorization'] !== authorization)
      return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n');
    if (request.url !== `${name}:443`) return socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    tunnels.push(request.url);
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    joinStreams(socket, connect(front, '127.0.0.1'));
  });
  return listen(server);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'capacloud-proxies-'));
  const config = readConfig({ file: 'listen: 127.0.0.1:0', env: {}, flags: {}, cwd: folder });
  if (!config.ok) throw new Error(config.refusal.message);
  const signal = AbortSignal.any([]);
  const onFatal = (error: Error) => expect.unreachable(error.message);
  const coordinator = await startCoordinator({
    config: config.value,
    version: '0',
    logger: silent,
    signal,
    onFatal,
  });
  stops.push(() => coordinator.stop());
  key = (await readFile(join(folder, 'capacloud-data', 'operator.key'), 'utf8')).trim();
  proxyUrl = `127.0.0.1:${await startProxy(await startFront(Number(new URL(coordinator.url).port)))}`;
});
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  tunnels = [];
  heard = '';
});

const through = (user = `${credentials}@`) => ({ HTTPS_PROXY: `http://${user}${proxyUrl}` });

function clientOf(env: Record<string, string>, ca: string | undefined = caFile): Client {
  const connections = nodeConnections(env, ca);
  return createClient({
    baseUrl: `https://${name}`,
    apiKey: key,
    maxTries: 1,
    exchange: createNodeExchange(connections),
    opening: createNodeOpening(connections),
  });
}

function session(env: Record<string, string>, url = `wss://${name}/v1/session`) {
  const connections = createConnections({ env, caFile });
  const clock = systemClock();
  const parts = { identity: new NodeIdentity(`0x${'42'.repeat(32)}`), log: silent, clock };
  const journal = new SqliteJournal(openDatabase(':memory:'), name, 1);
  const httpAgent = connections.agentFor(url);
  return {
    http: (access: SessionClient) => new CoordinatorHttp(access, (to, call) => connections.fetch(to, call)),
    client: new SessionClient({
      url,
      agentVersion: '0',
      journal,
      lease: new Lease(undefined),
      httpAgent,
      ...parts,
    }),
  };
}

const offer = {
  cpuMilli: 1000,
  memoryBytes: 2 ** 30,
  diskBytes: 2 ** 30,
  slots: 1,
  devices: [],
  arch: 'amd64',
  allowRoot: false,
  ask: { cpuHourNano: '1', memoryGibHourNano: '0', diskGibHourNano: '0', deviceHourNano: '0' },
};
const host = {
  node: () => ({ offer, accepting: true }),
  heldAttempts: () => [],
  load: () => ({ cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 }),
  pulls: () => [],
  onDesired() {},
  onAssign() {},
  onStop() {},
  onChange() {},
};

test('a session and its HTTP calls go through the proxy, and its password no further', async () => {
  const { client, http } = session(through());
  const ending = new AbortController();
  const running = client.run(host, ending.signal);
  await client.whenOpen(AbortSignal.timeout(20_000));
  expect(client.status()).toMatchObject({ state: 'open', coordinator: 'capacloud.local' });
  const call = { method: 'GET', path: '/v1/artifacts/none' } as const;
  await expect(http(client).call(call, AbortSignal.timeout(20_000))).rejects.toMatchObject({
    name: 'TransferRefused',
  });
  ending.abort();
  await running;
  expect(tunnels).toEqual([`${name}:443`, `${name}:443`]);
  expect(heard).toContain('GET /v1/session');
  expect(heard.toLowerCase()).not.toContain('proxy-');
  expect(heard).not.toContain(authorization.slice(6));
});

test('calls, uploads and downloads of the client go through the proxy', async () => {
  const client = clientOf(through());
  const file = join(folder, 'file');
  await writeFile(file, 'content '.repeat(10_000));
  const { sha256, size_bytes: sizeBytes } = await uploadArtifact(client, file);
  await downloadArtifact(client, { sha256, sizeBytes }, join(folder, 'copy'));
  expect(await readFile(join(folder, 'copy'))).toEqual(await readFile(file));
  expect(tunnels.length).toBeGreaterThan(0);
  expect(heard.toLowerCase()).not.toContain('proxy-');
});

test.each([
  ['', 'wants a user name and password (HTTP 407)'],
  ['me:secret@', 'did not take the user name and password (HTTP 407)'],
])('with the credentials "%s" it says that the proxy %s', async (user, words) => {
  const refused = await clientOf(through(user))
    .call('getOwnAccount', {})
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'network', message: expect.stringContaining(words) });
  expect(JSON.stringify(refused)).not.toContain('secret');
  const { client } = session(through(user));
  const ending = new AbortController();
  const running = client.run(host, ending.signal);
  await expect.poll(() => client.status().lastError).toContain(words);
  expect(client.status().lastError).not.toContain('secret');
  ending.abort();
  await running;
});

test('what NO_PROXY lists is not asked of the proxy, nor is this machine itself', async () => {
  await expect(clientOf({ ...through(), NO_PROXY: '.test' }).call('getOwnAccount', {})).rejects.toMatchObject(
    { code: 'network' },
  );
  const local = createConnections({ env: { ALL_PROXY: 'http://127.0.0.1:1' } });
  expect(local.proxyFor('ws://127.0.0.1:8080')).toBeUndefined();
  expect(tunnels).toEqual([]);
});

test('a certificate of a private authority is trusted by its file only', async () => {
  await expect(
    nodeConnections(through()).fetch(`https://${name}/healthz`, { method: 'GET', headers: {} }),
  ).rejects.toThrow(/certificate/);
  expect(() => nodeConnections({}, join(folder, 'none'))).toThrow('cannot be read');
  expect(() => nodeConnections({}, join(tls, 'server.key'))).toThrow('holds no certificate');
});
