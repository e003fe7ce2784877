import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { JobView } from '@capacloud/protocol/routes/views';
import { afterEach, expect, test } from 'vitest';
import { ClientAddresses } from '../client-addresses.ts';
import { startCoordinator, type TestCoordinator } from '../testing/test-coordinator.ts';

let coordinator: TestCoordinator;
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await coordinator.close();
});

/** A client that says this, keeps its side open, and reads nothing. */
async function speak(text: string): Promise<Socket> {
  const { hostname, port } = new URL(coordinator.url);
  const socket = connect({ host: hostname, port: Number(port) });
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

const slow = [
  '',
  'GET /v1/nodes HTTP/1.1\r\nHost: x\r\nX-Slow: ',
  'POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{',
];
const head = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n`;

test.each([{ connectionsPerAddress: 8 }, { connections: 8 }])(
  'slow and silent connections make room for honest ones: %o',
  async (connectionBounds) => {
    coordinator = await startCoordinator({ connections: { connectionBounds } });
    const { connections } = coordinator.api;
    let gone = 0;
    for (let i = 0; i < 40; i++) {
      const socket = await speak(slow[i % slow.length] ?? '');
      socket.resume().once('close', () => {
        gone += 1;
      });
    }
    await expect.poll(() => gone).toBe(32);
    expect(connections.total).toBe(8);
    for (let i = 0; i < 20; i++)
      expect((await fetch(`${coordinator.url}/healthz`, { headers: { connection: 'close' } })).status).toBe(
        200,
      );
  },
);

test('what waits for our answer keeps its connection, and beyond the bound newcomers are turned away', async () => {
  coordinator = await startCoordinator({ connections: { connectionBounds: { connectionsPerAddress: 3 } } });
  const submitted = await coordinator.call('POST', '/v1/jobs', {
    json: { version: '1', image: 'busybox', resources: { cpu: '100m', memory: '10Mi', disk: '1Mi' } },
    headers: { 'idempotency-key': 'stream', connection: 'close' },
  });
  const { id } = (await submitted.json()) as JobView;
  const stream = `${head(`/v1/jobs/${id}/events`)}Authorization: Bearer ${coordinator.consumerKey}\r\n\r\n`;
  const readers = [await speak(stream), await speak(stream), await speak(stream)];
  await Promise.all(readers.map((reader) => once(reader, 'readable')));
  await expect(fetch(`${coordinator.url}/healthz`)).rejects.toThrow('fetch failed');
  expect(readers.map((reader) => reader.destroyed)).toEqual([false, false, false]);
  readers[0]?.destroy();
  await expect.poll(() => coordinator.api.connections.total).toBe(2);
  expect((await fetch(`${coordinator.url}/healthz`)).status).toBe(200);
});

test('a proxy has no bound of its own, because it brings the connections of many', async () => {
  coordinator = await startCoordinator({
    connections: {
      connectionBounds: { connectionsPerAddress: 3 },
      clients: new ClientAddresses(['127.0.0.1']),
    },
  });
  for (let i = 0; i < 10; i++) await speak('');
  await expect.poll(() => coordinator.api.connections.total).toBe(10);
});
