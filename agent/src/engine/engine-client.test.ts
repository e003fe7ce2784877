import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnections } from '@capacloud/transfer/connections';
import type Docker from 'dockerode';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultImageShare } from '../core/disk-room.ts';
import { EngineUnavailable } from '../core/ports.ts';
import { ImageRoom } from '../images/image-room.ts';
import { ImageStore } from '../images/image-store.ts';
import { PulledImages } from '../images/pulled-images.ts';
import { Engine } from './engine.ts';
import { callEngine, engineStatus, openEngineStream } from './engine-call.ts';
import { askOfImage, connectEngine, isPlainPath } from './engine-client.ts';

let dir: string;
let docker: Docker;
let engine: Server;
let other: Server;
/** What the engine was asked, and what came to a listener that is none of its business. */
let asked: string[];
let strayed: string[];
let answer: RequestListener;
const signal = new AbortController().signal;

async function listen(server: Server, ...place: [string] | [number, string]): Promise<void> {
  await new Promise<void>((resolve) => {
    if (place.length === 1) server.listen(place[0], resolve);
    else server.listen(...place, resolve);
  });
}

beforeEach(async () => {
  [asked, strayed] = [[], []];
  dir = await mkdtemp(join(tmpdir(), 'capacloud-engine-'));
  engine = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  other = createServer((request, response) => {
    strayed.push(`${request.method} ${request.url}`);
    response.end('{}');
  });
  await listen(engine, join(dir, 'engine.sock'));
  await listen(other, 0, '127.0.0.1');
  docker = connectEngine(join(dir, 'engine.sock'));
});
afterEach(async () => {
  for (const server of [engine, other]) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await rm(dir, { recursive: true });
});

/** How each kind of call that the agent makes ends. */
async function callAll(): Promise<unknown[]> {
  const call = (action: (abortSignal: AbortSignal) => Promise<unknown>) =>
    callEngine(signal, 5000, action).then(
      (value) => value,
      (error: unknown) => error,
    );
  const container = docker.getContainer('cc-a-1');
  const stream = (action: (abortSignal: AbortSignal) => Promise<NodeJS.ReadableStream>) =>
    call(async () => {
      const { chunks } = await openEngineStream(signal, 5000, action);
      for await (const _chunk of chunks);
    });
  return await Promise.all([
    call((abortSignal) => container.inspect({ abortSignal })),
    call((abortSignal) => container.start({ abortSignal })),
    call((abortSignal) => container.remove({ force: true, abortSignal })),
    call((abortSignal) => docker.createContainer({ Image: 'x', abortSignal })),
    call((abortSignal) => docker.createVolume({ Name: 'x', abortSignal })),
    call((abortSignal) => docker.getVolume('x').remove({ abortSignal })),
    call((abortSignal) => docker.listContainers({ all: true, abortSignal })),
    call((abortSignal) => docker.listVolumes({ abortSignal })),
    call(() => docker.getImage('x').inspect()),
    stream((abortSignal) => docker.createImage({ fromImage: 'x', tag: '1', abortSignal })),
    stream((abortSignal) => docker.getEvents({ abortSignal })),
    stream((abortSignal) => container.getArchive({ path: '/x', abortSignal })),
    call((abortSignal) => container.putArchive(Buffer.from('x'), { path: '/x', abortSignal })),
  ]);
}

test.each([301, 302, 307, 308])(
  'a redirect (%i) is an error of the call, wherever it leads',
  async (status) => {
    const address = other.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const places = [
      `http://127.0.0.1:${port}/latest/meta-data`,
      '/images/x/json',
      'nowhere://x',
      'http://',
      '',
    ];
    for (const location of places) {
      asked = [];
      answer = (_request, response) => response.writeHead(status, { location }).end();
      const ends = await callAll();
      expect(ends.map(engineStatus)).toEqual(ends.map(() => status));
      expect(asked).toHaveLength(ends.length);
    }
    expect(strayed).toEqual([]);
  },
);

test.each<[string, RequestListener]>([
  ['broken JSON', (_, response) => response.end('{"Id":')],
  ['nothing', (_, response) => response.end()],
  ['null', (_, response) => response.end('null')],
  ['a list', (_, response) => response.end('[1]')],
  [
    'an early end',
    (_, response) => response.writeHead(200, { 'content-length': 99 }).write('{', () => response.destroy()),
  ],
  ['no answer', (request) => request.socket.destroy()],
  ['no HTTP', (request) => request.socket.end('\u0000\u0001 hello\r\n\r\n')],
  ['an error that is no message', (_, response) => response.writeHead(500).end('{"message":{"toString":1}}')],
  [
    'an error that ends early',
    (_, response) => response.writeHead(500, { 'content-length': 99 }).write('x', () => response.destroy()),
  ],
  ['a status that is none', (_, response) => response.writeHead(299).end('{}')],
])('%s settles each call', async (_name, listener) => {
  answer = listener;
  const ends = await callAll();
  for (const end of ends) {
    if (!(end instanceof Error)) continue;
    expect(end instanceof EngineUnavailable || engineStatus(end) !== undefined).toBe(true);
  }
  if (_name !== 'nothing' && _name !== 'a list' && _name !== 'null') expect(ends[0]).toBeInstanceOf(Error);
});

test('an upgrade that nobody asked for settles each call', async () => {
  answer = ({ socket }) => socket.write('HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
  for (const end of await callAll()) expect(String(end)).toContain('another protocol');
});

test('whatever goes into a path is escaped, and no path is left', async () => {
  answer = (_request, response) => response.writeHead(404).end('{"message":"no such image"}');
  for (const name of ['a?x=1', 'a#b', 'a b', 'é', 'a%2Fb', 'a/b:1', '\u0000', '\r\nHost: x']) {
    asked = [];
    const ended = await callEngine(signal, 5000, () => docker.getImage(name).inspect()).catch(
      (error: unknown) => error,
    );
    expect(engineStatus(ended)).toBe(404);
    expect(asked).toEqual([`GET /images/${encodeURIComponent(name)}/json`]);
  }
  asked = [];
  for (const name of ['', '.', '..', 'a/../b', 'x/../../127.0.0.1:1/x', 'a//b', '/a', 'a/', './a']) {
    for (const call of [
      () => docker.getImage(name).inspect(),
      () => docker.getContainer(name).inspect(),
      () => docker.getVolume(name).remove(),
    ])
      await expect(callEngine<unknown>(signal, 5000, call)).rejects.toThrow(/another path/);
  }
  expect(asked).toEqual([]);
});

test('a pull of what is no reference, or of a registry that is not allowed, asks nobody', async () => {
  const address = other.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  answer = (_request, response) =>
    response.writeHead(301, { location: `http://127.0.0.1:${port}/latest` }).end();
  const notes = new PulledImages(join(dir, 'pulled'));
  const room = { share: defaultImageShare, needed: () => new Set<string>(), stateDir: dir };
  const connections = createConnections({ env: {} });
  const images = new ImageStore({
    engine: new Engine(docker),
    notes,
    room: new ImageRoom({ engine: new Engine(docker), notes, ...room }),
    localImages: [],
    registries: { allowed: [], network: { proxied: connections, direct: connections } },
  });
  const names = [
    'docker://ubuntu:22.04',
    'a//b',
    'a/./b',
    'a/..',
    'ubuntu/',
    '',
    'a b',
    `x/../../127.0.0.1:${port}/x`,
  ];
  for (const name of names) {
    expect(await images.pull(name, () => undefined, signal)).toMatchObject({
      ok: false,
      refusal: { reason: 'image_not_found' },
    });
  }
  expect(asked).toEqual([]);
  expect(await images.pull('busybox', () => undefined, signal)).toMatchObject({
    ok: false,
    refusal: { reason: 'registry_not_allowed' },
  });
  expect(asked).toEqual([]);
  expect(strayed).toEqual([]);
});

test('a question about an image that is given up drops its connection', async () => {
  const closed = Promise.withResolvers<void>();
  answer = (request) => request.socket.once('close', () => closed.resolve());
  const asking = callEngine(signal, 100, (abortSignal) => askOfImage(docker, 'a', abortSignal));
  await expect(asking).rejects.toThrow(EngineUnavailable);
  await closed.promise;
});

test('an abort drops the connection, also in the middle of an answer', async () => {
  const closed = Promise.withResolvers<void>();
  answer = (request, response) => {
    request.socket.once('close', () => closed.resolve());
    response.writeHead(200, { 'content-type': 'application/json' }).write('[');
  };
  const stop = new AbortController();
  const stream = await openEngineStream(stop.signal, 5000, (abortSignal) =>
    docker.getEvents({ abortSignal }),
  );
  const read = (async () => {
    for await (const _chunk of stream.chunks);
  })();
  stop.abort(new Error('enough'));
  await expect(read).rejects.toThrow('enough');
  await closed.promise;
});

test.each([
  ['/containers/json', true],
  ['/images/a%2Fb%3A1/json?x=/../', true],
  ['/images/../x', false],
  ['/images/a%2F..%2Fx/json', false],
  ['/images/%2e%2e/x', false],
  ['//x', false],
  ['images', false],
  ['/', false],
  ['/images/%/json', false],
  ['/images/a\\b/json', false],
])('%s', (path, isPlain) => {
  expect(isPlainPath(path)).toBe(isPlain);
});
