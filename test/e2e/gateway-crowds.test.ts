import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { sessionPath } from '@capacloud/protocol/wire/frames';
import { createIdentity } from '@capacloud/rig/network/agent-keys';
import {
  type GatewayRig,
  type GatewayRigOptions,
  startGatewayRig,
  until,
} from '@capacloud/rig/network/gateway-rig';
import { RawPeer } from '@capacloud/rig/network/raw-peer';
import { afterEach, expect, test } from 'vitest';
import { openHouse } from '../fuzz/house.ts';

const rigs: GatewayRig[] = [];
const peers: RawPeer[] = [];
const sockets: Socket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const peer of peers.splice(0)) peer.socket.terminate();
  await Promise.all(rigs.splice(0).map((rig) => rig.stop()));
});

async function openRig(options: GatewayRigOptions): Promise<GatewayRig> {
  const rig = await startGatewayRig({ trustedProxies: ['127.0.0.1'], ...options });
  rigs.push(rig);
  return rig;
}

function dial(rig: GatewayRig, address?: string): RawPeer {
  const peer = new RawPeer(rig.url, address);
  peers.push(peer);
  return peer;
}

test('behind a trusted proxy, the handshakes of one address leave the room of the others alone', async () => {
  const rig = await openRig({ limits: { unauthenticatedPerAddress: 8 } });
  await Promise.all(Array.from({ length: 8 }, () => dial(rig, '203.0.113.66').challenge()));
  const names = ['198.51.100.7', '203.0.113.66, 198.51.100.8', '2001:db8::1'];
  for (const name of names) await dial(rig, name).open(createIdentity());
  expect(rig.gateway.sessions).toBe(3);
});

test('strangers of one address push out one another, and an agent that answers gets in among them', async () => {
  const rig = await openRig({ limits: { unauthenticatedPerAddress: 8 } });
  const silent: RawPeer[] = [];
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 8; i++) silent.push(dial(rig, '203.0.113.66'));
    await dial(rig, '203.0.113.66').open(createIdentity());
  }
  const endings = await Promise.all(silent.slice(0, 30).map((peer) => peer.ended));
  expect(new Set(endings.map(({ code, refusal }) => `${code} ${refusal}`))).toEqual(
    new Set(['1013 service.overloaded']),
  );
  expect(rig.gateway.unauthenticated).toBeLessThanOrEqual(8);
  expect(rig.gateway.sessions).toBe(5);
});

test('silent strangers of many addresses keep out neither nodes that they do not know nor those that they do', async () => {
  const rig = await openRig({ limits: { unauthenticated: 32, unauthenticatedKnown: 8 } });
  const known = createIdentity();
  const before = dial(rig, '198.51.100.7');
  await before.open(known);
  before.socket.terminate();
  await until(() => rig.gateway.sessions === 0, 'the end of the session');
  const slowly = dial(rig, '198.51.100.7');
  const challenge = await slowly.challenge();
  const crowd = Array.from({ length: 100 }, (_, i) => dial(rig, `2001:db8:0:${i.toString(16)}::1`));
  await Promise.all(crowd.slice(0, 60).map((peer) => peer.ended));
  // All this time the known address had said nothing, and kept its place.
  slowly.send(await slowly.hello(known));
  expect((await slowly.next('welcome')).type).toBe('welcome');
  expect(challenge.type).toBe('challenge');
  await dial(rig, '192.0.2.99').open(createIdentity());
  expect(rig.gateway.unauthenticated).toBeLessThanOrEqual(32);
});

const upgrade = (address: string) =>
  `GET ${sessionPath} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Forwarded-For: ${address}\r\n` +
  'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

/** Text frames, masked with zeros: one that promises so many bytes and brings fewer, or a whole one. */
function frame(text: string, promised = text.length): Buffer {
  const header = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(promised, 6);
  return Buffer.concat([header, Buffer.from(text)]);
}

/** A peer that says something below WebSockets, reads, and never closes its side. */
async function raw(rig: GatewayRig, address: string, bytes: Buffer): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: rig.port, allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write(Buffer.concat([Buffer.from(upgrade(address)), bytes]));
  await once(socket, 'data');
  return socket.resume();
}

const isCut = (socket: Socket) => socket.readableEnded || socket.closed;

test('first frames that never end are cut at the size of a hello, and bounded together', async () => {
  const rig = await openRig({ limits: { handshakeBytes: 512 * 1024, closeTimeoutMs: 100 } });
  const large = await raw(rig, '203.0.113.66', frame('x'.repeat(100_000), 250_000));
  await until(() => isCut(large), 'its end');
  expect(rig.gateway.refusals.get('frame.too_large')).toBe(1);
  const crowd: Socket[] = [];
  for (let i = 0; i < 20; i++)
    crowd.push(await raw(rig, `198.51.100.${i}`, frame('x'.repeat(60_000), 65_000)));
  await until(() => crowd.filter(isCut).length >= 11, 'the oldest to go');
  expect(crowd.slice(13).map(isCut)).not.toContain(true);
  await dial(rig, '192.0.2.99').open(createIdentity());
});

test('peers that are refused and never close their side take no place from others', async () => {
  const rig = await openRig({
    limits: { unauthenticated: 16, unauthenticatedKnown: 4, closing: 8, closeTimeoutMs: 60_000 },
  });
  for (let i = 0; i < 60; i++) await raw(rig, `198.51.100.${i}`, frame('{"type":"hello"}'));
  expect(rig.gateway.unauthenticated).toBe(0);
  expect(rig.gateway.refusals.get('frame.malformed')).toBe(60);
  await until(() => sockets.filter(isCut).length >= 52, 'the oldest to be cut');
  await dial(rig, '192.0.2.99').open(createIdentity());
});

test('a whole coordinator behind a proxy lets agents in while one address fills its room with silence', async () => {
  const house = await openHouse({ settings: { trusted_proxies: ['loopback'] } });
  try {
    const crowd = Array.from({ length: 1100 }, () => new RawPeer(house.url, '203.0.113.66'));
    await Promise.all(crowd.map((peer) => Promise.race([peer.challenge(), peer.ended])));
    for (const address of ['198.51.100.7', '203.0.113.66, 198.51.100.8', '2001:db8::1', '203.0.113.66'])
      await new RawPeer(house.url, address).open(createIdentity());
    const { items } = await house.operator.call('listNodes', { query: {} });
    expect(items).toHaveLength(4);
    for (const peer of crowd) peer.socket.terminate();
    expect(house.errors).toEqual([]);
  } finally {
    await house.stop();
  }
});
