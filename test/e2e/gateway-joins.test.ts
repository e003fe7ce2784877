import type { Offer } from '@capacloud/protocol/capacity/resources';
import { createHello, createIdentity, type Identity, plainOffer } from '@capacloud/rig/network/agent-keys';
import { type GatewayRig, type GatewayRigOptions, startGatewayRig } from '@capacloud/rig/network/gateway-rig';
import { RawPeer } from '@capacloud/rig/network/raw-peer';
import { afterEach, expect, test } from 'vitest';

const idleLoad = { cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 };
const rigs: GatewayRig[] = [];
const peers: RawPeer[] = [];

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.terminate();
  await Promise.all(rigs.splice(0).map((rig) => rig.stop()));
});

async function openRig(options: GatewayRigOptions): Promise<GatewayRig> {
  const rig = await startGatewayRig({ trustedProxies: ['127.0.0.1'], ...options });
  rigs.push(rig);
  return rig;
}

function dial(rig: GatewayRig, address = '198.51.100.7'): RawPeer {
  const peer = new RawPeer(rig.url, address);
  peers.push(peer);
  return peer;
}

/** The code of the refusal and its hint. */
async function refusalOf(rig: GatewayRig, address?: string, identity: Identity = createIdentity()) {
  const peer = dial(rig, address);
  await expect(peer.open(identity)).rejects.toThrow('no welcome');
  return peer.frames.find((frame) => frame.type === 'refusal');
}

test('the joins of an address are bounded over all its connections, and known nodes are not counted', async () => {
  const rig = await openRig({ limits: { addressJoinsPerHour: 3, networkJoinsPerHour: 4 } });
  const known = createIdentity();
  await dial(rig).open(known);
  for (let i = 0; i < 2; i++) {
    const peer = dial(rig);
    await peer.open(createIdentity());
    peer.socket.terminate();
  }
  const refusal = await refusalOf(rig);
  expect(refusal).toMatchObject({ code: 'service.overloaded' });
  expect(refusal?.hint).toContain('joins.address_per_hour');
  expect((await refusalOf(rig, '203.0.113.1, 198.51.100.7'))?.code).toBe('service.overloaded');
  for (let i = 0; i < 3; i++) await dial(rig).open(known);
  await dial(rig, '198.51.100.8').open(createIdentity());
  expect((await refusalOf(rig, '198.51.100.9'))?.hint).toContain('joins.network_per_hour');
  await dial(rig, '2001:db8::1').open(createIdentity());
  expect(rig.sequencer.state.nodes.size).toBe(5);
  expect(rig.gateway.heard().size).toBe(5);
});

test('no signature is verified for a newcomer that would be refused', async () => {
  const rig = await openRig({ limits: { addressJoinsPerHour: 1 } });
  await dial(rig).open(createIdentity());
  const peer = dial(rig);
  const hello = await peer.hello(createIdentity());
  peer.send({ ...hello, signature: `0x${'11'.repeat(65)}` });
  expect(await peer.ended).toMatchObject({ refusal: 'service.overloaded' });
});

test('a newcomer takes the room of nodes that are silent, and these are told to begin anew', async () => {
  let nowMs = Date.now();
  const rig = await openRig({
    now: () => nowMs,
    limits: { idleMs: 3_600_000 },
    ruleset: { maxUnprovenNodes: 2 },
  });
  const [first, second] = [dial(rig), dial(rig)];
  await first.open(createIdentity());
  await second.open(createIdentity());
  expect((await refusalOf(rig))?.hint).toContain('rules.max_unproven_nodes (2)');
  nowMs += 20_000;
  await rig.tick();
  await dial(rig).open(createIdentity());
  expect(rig.events.filter(({ event }) => event.type === 'node.forgotten')).toHaveLength(2);
  expect(rig.sequencer.state.nodes.size).toBe(1);
  first.send({ type: 'heartbeat', seq: 1, ack: 0, n: 1, load: idleLoad, pulls: [] });
  expect(await first.ended).toMatchObject({ refusal: 'session.idle' });
  second.socket.terminate();
  await expect.poll(() => rig.gateway.heard().size).toBe(1);
});

test('what is lost leaves nothing behind, and joins again with a new delegation', async () => {
  let nowMs = Date.now();
  const rig = await openRig({ now: () => nowMs });
  const identity = createIdentity();
  const peer = dial(rig);
  await peer.open(identity);
  peer.socket.terminate();
  await expect.poll(() => rig.gateway.sessions).toBe(0);
  nowMs += 70_000;
  await rig.tick();
  await rig.tick();
  expect(rig.sequencer.state.nodes.size).toBe(0);
  expect(rig.gateway.heard().size).toBe(0);
  await dial(rig).open(identity);
  expect(rig.events.filter(({ event }) => event.type === 'node.joined')).toHaveLength(2);
});

test('nobody new is taken in when two thirds of the heap are used, and who is known comes back', async () => {
  let share = 0.3;
  const rig = await openRig({ heapShare: () => share });
  const known = createIdentity();
  await dial(rig).open(known);
  share = 0.7;
  expect((await refusalOf(rig))?.message).toContain('70 % of its memory');
  const peer = dial(rig);
  await peer.open(known);
  // Nor does what was never paid grow: many small nodes would need as much as new ones.
  const grown = { ...plainOffer, labels: { tier: 'gold' } };
  peer.send({ type: 'offer', seq: 1, ack: 0, offer: { ...plainOffer, slots: 2 }, accepting: true });
  await expect.poll(() => rig.sequencer.state.nodes.get(known.node)?.offer.slots).toBe(2);
  peer.send({ type: 'offer', seq: 2, ack: 0, offer: grown, accepting: true });
  expect(await peer.ended).toMatchObject({ refusal: 'service.overloaded' });
  const again = dial(rig);
  again.send(await createHello(await again.challenge(), known, again.key, { offer: grown }));
  expect(await again.ended).toMatchObject({ refusal: 'service.overloaded' });
  expect(rig.sequencer.state.nodes.get(known.node)?.offer).toEqual({ ...plainOffer, slots: 2 });
  share = 0.3;
  await dial(rig).open(createIdentity());
});

test('an offer that is too large is refused at the door, in a hello and in a session', async () => {
  const rig = await openRig({});
  const large: Offer = {
    ...plainOffer,
    devices: Array.from({ length: 64 }, (_, n) => ({
      id: `GPU-${n}`,
      vendor: 'nvidia',
      model: `${n}`.padEnd(96, 'm'),
      memoryBytes: 2 ** 34,
      health: 'healthy',
    })),
  };
  const peer = dial(rig);
  peer.send(await createHello(await peer.challenge(), createIdentity(), peer.key, { offer: large }));
  expect(await peer.ended).toMatchObject({ refusal: 'frame.too_large' });
  expect(peer.frames.at(-1)).toMatchObject({ hint: expect.stringContaining('shorter labels') as string });
  const open = dial(rig);
  await open.open(createIdentity());
  open.send({ type: 'offer', seq: 1, ack: 0, offer: large, accepting: true });
  expect(await open.ended).toMatchObject({ refusal: 'frame.too_large' });
  expect(rig.sequencer.state.offers.size).toBe(1);
});
