import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { sha256Hex } from '@capacloud/protocol/log/hash';
import { sessionPath } from '@capacloud/protocol/wire/frames';
import { RawPeer } from '@capacloud/rig/network/raw-peer';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { timesOf } from './fuzz-run.ts';
import { type House, openHouse } from './house.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** Heap and buffers that are in use once garbage is gone; the sockets' own ends here count too. */
function usedMiB(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / 2 ** 20;
}

const large = Buffer.alloc(24 * 2 ** 20, 'large ');
let house: House;
let agent: ScriptedAgent;
const open: Socket[] = [];

beforeAll(async () => {
  house = await openHouse();
  agent = new ScriptedAgent({ url: house.url });
  await agent.connect();
  await expectWork();
});
afterAll(async () => {
  for (const socket of open) socket.destroy();
  agent.close();
  await house.stop();
});

/** An honest client and an honest agent still get their work done. */
async function expectWork(): Promise<void> {
  const job = await house.consumer.call('submitJob', {
    query: { wait: 30 },
    body: {
      version: '1',
      image: 'busybox',
      resources: { cpu: '10m', memory: '8Mi', disk: '1Mi', shm_size: '1Mi' },
      price: { max_per_hour: '1', currency: 'CAPA' },
    },
  });
  expect(job.state).toBe('succeeded');
}

/** A socket that says this and reads nothing unless it is told to. */
async function speak(text: string, reads = false): Promise<Socket> {
  const socket = connect({ port: house.port, host: '127.0.0.1' });
  socket.on('error', () => {});
  if (!reads) socket.pause();
  open.push(socket);
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}
async function speakAll(count: number, text: (index: number) => string): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let from = 0; from < count; from += 100)
    sockets.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(100, count - from) }, (_, index) => speak(text(from + index))),
      )),
    );
  return sockets;
}
async function leave(sockets: readonly Socket[]): Promise<void> {
  const closed = sockets.map((socket) => (socket.closed ? Promise.resolve() : once(socket, 'close')));
  for (const socket of sockets) socket.destroy();
  await Promise.all(closed);
}

const upgrade = `GET ${sessionPath} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`;
const auth = () => `Host: x\r\nAuthorization: Bearer ${house.consumerKey}\r\n`;

test('thousands of half-open sockets cost a bounded amount each, and honest work goes on', async () => {
  const count = timesOf(1500);
  const before = usedMiB();
  const kinds = [
    () => '',
    () => 'GET /v1/nodes HTTP/1.1\r\nHost: x\r\nX-Slow: ',
    () =>
      `POST /v1/jobs HTTP/1.1\r\n${auth()}Content-Type: application/json\r\nIdempotency-Key: a\r\nContent-Length: 1000000\r\n\r\n{"version":`,
    () =>
      `PATCH /v1/artifacts/${'a'.repeat(64)} HTTP/1.1\r\n${auth()}Content-Type: application/octet-stream\r\nUpload-Offset: 0\r\nContent-Length: 1000000\r\n\r\nx`,
    () => upgrade,
    () => `${upgrade}\x81\xfe`,
  ];
  const sockets = await speakAll(count, (index) => kinds[index % kinds.length]?.() ?? '');
  await expectWork();
  // Both ends of each socket are in this process.
  expect(usedMiB() - before).toBeLessThan(40 + (count * 64) / 1024);
  await leave(sockets);
  await expectWork();
  expect(house.errors).toEqual([]);
});

test('strangers that never say hello are kept up to a bound, and the oldest makes room for who comes next', async () => {
  let evicted = 0;
  const sockets = await Promise.all(
    Array.from({ length: 1100 }, async () => {
      const socket = await speak(upgrade, true);
      const [first] = (await once(socket, 'data')) as [Buffer];
      expect(first.toString('latin1', 9, 12)).toBe('101');
      socket.once('close', () => {
        evicted += 1;
      });
      return socket;
    }),
  );
  await expect.poll(() => evicted).toBe(1100 - 1024);
  const newcomer = new ScriptedAgent({ url: house.url });
  await newcomer.connect();
  newcomer.close();
  await leave(sockets);
});

test('readers that take nothing hold back what they ask for, not our memory', async () => {
  const sha256 = sha256Hex(large.toString()) as Sha256Hex;
  await house.consumer.call('createArtifact', { body: { sha256, size_bytes: large.length } });
  for (let at = 0; at < large.length; at += 4 * 2 ** 20)
    await house.consumer.call('appendArtifact', {
      params: { sha256 },
      headers: { 'upload-offset': `${at}` },
      body: large.subarray(at, at + 4 * 2 ** 20),
    });
  const { items } = await house.consumer.call('listJobs', { query: { limit: 1 } });
  const before = usedMiB();
  const sockets = await speakAll(60, (index) =>
    index % 2 === 0
      ? `GET /v1/artifacts/${sha256} HTTP/1.1\r\n${auth()}\r\n`
      : `GET /v1/jobs/${items[0]?.id}/events HTTP/1.1\r\n${auth()}\r\n`,
  );
  await expectWork();
  // 30 times 24 MiB were asked for; each may wait in a few buffers of 64 KiB.
  expect(usedMiB() - before).toBeLessThan(60);
  await leave(sockets);
  await expectWork();
  expect(house.errors).toEqual([]);
});

test('agents that never read, never answer or speak a byte at a time are bounded too', async () => {
  const before = usedMiB();
  const peers = Array.from({ length: 20 }, () => new RawPeer(house.url));
  await Promise.all(peers.map((peer) => peer.challenge()));
  for (const peer of peers.slice(0, 10)) {
    // Never reads again: whatever is answered to its pings would wait here.
    peer.socket.pause();
    for (let i = 0; i < 300; i++) peer.socket.ping('x'.repeat(125));
  }
  for (const peer of peers.slice(10)) {
    // A hello in fragments of one byte: past 256 of them the message is given up.
    for (let i = 0; i < 300; i++) peer.socket.send(' ', { fin: false });
  }
  await Promise.all(peers.slice(10).map((peer) => peer.ended));
  await expectWork();
  expect(usedMiB() - before).toBeLessThan(30);
  for (const peer of peers) peer.socket.terminate();
  expect(house.errors).toEqual([]);
});

test('a storm of connections and disconnections leaves nothing behind', async () => {
  const storm = async (rounds: number) => {
    for (let round = 0; round < rounds; round++)
      await leave(await speakAll(50, (index) => (index % 2 === 0 ? upgrade : 'GET / HT')));
  };
  await storm(2);
  const before = usedMiB();
  await storm(timesOf(10));
  await expectWork();
  open.length = 0;
  expect(usedMiB() - before).toBeLessThan(20);
  expect(house.errors).toEqual([]);
});
