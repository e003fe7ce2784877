import type { HelloFrame, WelcomeFrame } from '@capacloud/protocol/wire/frames';
import {
  createHello,
  createIdentity,
  createSessionKey,
  type Identity,
  resumingHello,
} from '@capacloud/rig/network/agent-keys';
import { type GatewayRig, startGatewayRig } from '@capacloud/rig/network/gateway-rig';
import { RawPeer } from '@capacloud/rig/network/raw-peer';
import { afterEach, expect, test } from 'vitest';

const stops: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

let nowMs = 0;
async function rigOf(): Promise<GatewayRig> {
  nowMs = Date.now();
  const rig = await startGatewayRig({ now: () => nowMs });
  stops.push(async () => {
    await rig.stop();
    expect(rig.fatal).toEqual([]);
  });
  return rig;
}

function peerOf(rig: GatewayRig): RawPeer {
  const peer = new RawPeer(rig.url);
  stops.push(() => peer.socket.terminate());
  return peer;
}

/** A session with the wallet's signature; the node leaves it with its hello and key. */
async function opened(rig: GatewayRig, identity: Identity) {
  const peer = peerOf(rig);
  const hello = await peer.hello(identity);
  peer.send(hello);
  const welcome = await peer.next<WelcomeFrame>('welcome');
  return { hello, key: peer.key, peer, welcome };
}

/** How a session that goes on with an earlier hello is received: the protocol, or the code of the refusal. */
async function resume(
  rig: GatewayRig,
  earlier: HelloFrame,
  key: RawPeer['key'],
  extra: Partial<HelloFrame> = {},
): Promise<number | string | undefined> {
  const peer = peerOf(rig);
  peer.send(resumingHello(await peer.challenge(), earlier, key, extra));
  const welcome = peer.next<WelcomeFrame>('welcome').then(
    ({ protocol }) => protocol,
    async () => (await peer.ended).refusal,
  );
  return welcome;
}

test('the newest delegation of a node opens session after session, and fences the one before', async () => {
  const rig = await rigOf();
  const { hello, key, peer } = await opened(rig, createIdentity());
  expect(await resume(rig, hello, key)).toBe(2);
  expect((await peer.ended).refusal).toBe('session.superseded');
  expect(await resume(rig, hello, key)).toBe(2);
  // Recorded once, and nothing of it is news to the log.
  expect(rig.asides.filter(({ kind }) => kind === 'session')).toHaveLength(1);
  expect(rig.events.filter(({ event }) => event.type === 'node.joined')).toHaveLength(1);
});

test('a newer delegation of the node takes the older out of use', async () => {
  const rig = await rigOf();
  const identity = createIdentity();
  const first = await opened(rig, identity);
  const second = await opened(rig, identity);
  expect(await resume(rig, first.hello, first.key)).toBe('session.resumption_refused');
  second.peer.socket.terminate();
  await second.peer.ended;
  expect(await resume(rig, first.hello, first.key)).toBe('session.resumption_refused');
  expect(await resume(rig, second.hello, second.key)).toBe(2);
});

test('nobody resumes without the session key, or as somebody else', async () => {
  const rig = await rigOf();
  const identity = createIdentity();
  const { hello, key } = await opened(rig, identity);
  expect(await resume(rig, hello, createSessionKey())).toBe('session.delegation_invalid');
  const { delegation } = hello;
  const other = createIdentity();
  const changes: Partial<HelloFrame>[] = [
    { delegation: { ...delegation, node: other.address } },
    { delegation: { ...delegation, provider: other.address } },
    { delegation: { ...delegation, nonce: `0x${'0'.repeat(64)}` } },
    { delegation: { ...delegation, expiresAt: delegation.expiresAt + 1 } },
    { signature: `0x${'0'.repeat(130)}` },
  ];
  for (const change of changes)
    expect(await resume(rig, hello, key, change)).toBe('session.resumption_refused');
  const thief = createSessionKey();
  expect(
    await resume(rig, hello, thief, { delegation: { ...delegation, sessionKey: thief.publicKey } }),
  ).toBe('session.resumption_refused');
});

test('only what is recorded here, has not expired and is of protocol 2 resumes', async () => {
  const rig = await rigOf();
  const stranger = peerOf(rig);
  const strange = await createHello(await stranger.challenge(), createIdentity(), stranger.key);
  expect(await resume(rig, strange, stranger.key)).toBe('session.resumption_refused');
  const { hello, key } = await opened(rig, createIdentity());
  expect(await resume(rig, hello, key, { protocols: [1] })).toBe('session.delegation_invalid');
  nowMs = hello.delegation.expiresAt * 1000;
  expect(await resume(rig, hello, key)).toBe('session.delegation_invalid');
});
