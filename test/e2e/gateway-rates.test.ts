import type { HelloFrame } from '@capacloud/protocol/wire/frames';
import {
  createHello,
  createIdentity,
  createSessionKey,
  type Identity,
  plainOffer,
  resumingHello,
  type SessionKey,
} from '@capacloud/rig/network/agent-keys';
import {
  type GatewayRig,
  type GatewayRigOptions,
  startGatewayRig,
  until,
} from '@capacloud/rig/network/gateway-rig';
import { RawPeer } from '@capacloud/rig/network/raw-peer';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { afterEach, expect, test } from 'vitest';

const rigs: GatewayRig[] = [];
const peers: RawPeer[] = [];

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.terminate();
  await Promise.all(rigs.splice(0).map((rig) => rig.stop()));
});

async function openRig(
  limits: GatewayRigOptions['limits'] = {},
  now: () => number = Date.now,
): Promise<GatewayRig> {
  const rig = await startGatewayRig({ trustedProxies: ['127.0.0.1'], limits, now });
  rigs.push(rig);
  return rig;
}

function dial(rig: GatewayRig, address?: string): RawPeer {
  const peer = new RawPeer(rig.url, address);
  peers.push(peer);
  return peer;
}

type Extra = Partial<Pick<HelloFrame, 'offer' | 'accepting' | 'protocols'>>;

/** Opens a session with a new delegation; rejects with the refusal's code. */
async function open(
  rig: GatewayRig,
  identity: Identity,
  extra: Extra = {},
  address?: string,
): Promise<RawPeer> {
  const peer = dial(rig, address);
  peer.send(await createHello(await peer.challenge(), identity, peer.key, extra));
  await peer.next('welcome');
  return peer;
}

const offersOf = (rig: GatewayRig, { node }: Identity): readonly number[] =>
  rig.events.flatMap(({ event }) =>
    event.type === 'node.offered' && event.node === node ? [event.offer.slots] : [],
  );
const load = { cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 };
const heartbeat = (n: number) => ({ type: 'heartbeat', seq: n, ack: 0, n, load, pulls: [] });

test('a node that reconnects with another offer each time logs no more offers than one that stays', async () => {
  const rig = await openRig();
  const me = createIdentity();
  const key = createSessionKey();
  const first = dial(rig);
  const hello = await createHello(await first.challenge(), me, key, { protocols: [2, 1] });
  first.send(hello);
  await first.next('welcome');
  for (let slots = 10; slots < 40; slots++) {
    const peer = dial(rig);
    const offer = { ...plainOffer, slots };
    peer.send(resumingHello(await peer.challenge(), hello, key, { offer, accepting: slots % 2 === 0 }));
    await peer.next('welcome');
    peer.send({ type: 'offer', seq: 1, ack: 0, offer: { ...offer, slots: slots + 100 }, accepting: true });
  }
  await until(() => offersOf(rig, me).at(-1) === 139, 'the newest offer');
  // It took a second or two in all: the join's, perhaps some between, and the newest.
  expect(offersOf(rig, me).length).toBeLessThanOrEqual(5);
  expect(rig.sequencer.state.nodes.get(me.node)?.accepting).toBe(true);
});

test('offers of all nodes of an address share a rate, and none of them is refused for it', async () => {
  const rig = await openRig({ offersOfAddressBurst: 4, offersOfAddressPerSecond: 1, offerIntervalMs: 0 });
  const identities = Array.from({ length: 4 }, () => createIdentity());
  const nodes = await Promise.all(identities.map((each) => open(rig, each)));
  for (const peer of nodes) {
    for (let seq = 1; seq <= 3; seq++)
      peer.send({ type: 'offer', seq, ack: 0, offer: { ...plainOffer, slots: seq + 10 }, accepting: true });
  }
  const logged = () => identities.flatMap((each) => offersOf(rig, each));
  await until(() => logged().filter((slots) => slots === 13).length === 2, 'the first to be logged');
  expect(logged().length).toBeLessThan(4 + 4);
  expect(nodes.map(({ socket }) => socket.readyState)).toEqual([1, 1, 1, 1]);
});

test('another owner with each session is refused beyond the rate of offers', async () => {
  const rig = await openRig({ offersBurst: 3, offerIntervalMs: 0 });
  const me = createIdentity();
  const openFor = async (owner: string) => {
    const peer = dial(rig);
    const change = (delegation: HelloFrame['delegation']) => ({ ...delegation, provider: owner });
    peer.send(await createHello(await peer.challenge(), me, peer.key, {}, change));
    return peer.next('welcome');
  };
  for (let i = 0; i < 3; i++) await openFor(createIdentity().address);
  await expect(openFor(createIdentity().address)).rejects.toThrow('1013 service.overloaded');
});

test.each([1, 2, 3, 4, 5, 6])(
  'two holders of a key do not push out each other for ever (protocol %i)',
  async (protocol) => {
    const rig = await openRig({ sessionsOfNodeBurst: 12, sessionsOfNodePerSecond: 8 });
    const me = createIdentity();
    const extra = { protocols: [protocol] };
    for (let i = 0; i < 3; i++) await open(rig, me, extra);
    const standing = peers.at(-1);
    let refused = '';
    await open(rig, me, extra).catch((error: Error) => {
      refused = error.message;
    });
    expect(refused).toContain('1013 service.overloaded');
    expect(standing?.socket.readyState).toBe(1);
    // Whoever comes back later is let in as ever.
    for (;;) {
      const peer = await open(rig, me, extra).catch(() => undefined);
      if (peer !== undefined) break;
    }
    expect((await standing?.ended)?.refusal).toBe('session.superseded');
  },
);

test('frames are counted over all sessions of a node, and over all nodes of an address', async () => {
  const rig = await openRig({ framesPerSecond: 0.01, framesBurst: 20 });
  const me = createIdentity();
  const beat = (peer: RawPeer, times: number) => {
    for (let n = 1; n <= times; n++) peer.send(heartbeat(n));
  };
  const acked = (peer: RawPeer, n: number) =>
    until(() => peer.frames.some((frame) => frame.type === 'ack' && frame.heartbeat === n), 'the ack');
  const before = await open(rig, me);
  beat(before, 15);
  await acked(before, 15);
  const after = await open(rig, me);
  beat(after, 15);
  expect((await after.ended).refusal).toBe('frame.rate_limited');
  beat(await open(rig, createIdentity()), 15);
  const shared = await openRig({ framesOfAddressPerSecond: 0.01, framesOfAddressBurst: 20 });
  const one = await open(shared, createIdentity(), {}, '203.0.113.66');
  beat(one, 15);
  await acked(one, 15);
  const two = await open(shared, createIdentity(), {}, '203.0.113.66');
  beat(two, 15);
  expect((await two.ended).refusal).toBe('frame.rate_limited');
  const other = await open(shared, createIdentity(), {}, '198.51.100.7');
  beat(other, 15);
  await acked(other, 15);
});

test('forged delegations are not verified for ever, and spoil nothing for anybody else', async () => {
  const rig = await openRig({ forgeriesBurst: 3, forgeriesPerSecond: 0.01 });
  const me = createIdentity();
  const key: SessionKey = createSessionKey();
  const first = dial(rig, '203.0.113.66');
  const hello = await createHello(await first.challenge(), me, key, { protocols: [2, 1] });
  first.send(hello);
  await first.next('welcome');
  const forge = async () => {
    const peer = dial(rig, '203.0.113.66');
    const forged = await createHello(await peer.challenge(), createIdentity(), peer.key);
    // The node whose key it has not is the one that it names.
    const delegation = { ...forged.delegation, node: me.address };
    peer.send({ ...forged, delegation });
    return (await peer.ended).refusal;
  };
  for (let i = 0; i < 3; i++) expect(await forge()).toBe('session.delegation_invalid');
  expect(await forge()).toBe('service.overloaded');
  expect(first.socket.readyState).toBe(1);
  // From the same address, what was verified before; from another, what is new; and for both, the same node.
  const resumed = dial(rig, '203.0.113.66');
  resumed.send(resumingHello(await resumed.challenge(), hello, key));
  await resumed.next('welcome');
  await open(rig, me, {}, '198.51.100.7');
});

test('reports beyond the rate of a node wait, also in its next session, and none is lost', async () => {
  let clock = Date.now();
  const rig = await openRig({ reportItemsBurst: 50, reportItemsPerSecond: 100 }, () => clock);
  const agent = new ScriptedAgent({ url: rig.url, act: () => 'hold' });
  await agent.connect();
  await rig.submitJob(1);
  await until(() => agent.held.size === 1, 'the assignment');
  const [held] = [...agent.held.values()];
  if (held === undefined) throw new Error('held nothing');
  const report = (times: number) => {
    for (let i = 0; i < times; i++) agent.report({ task: held.task, attempt: 1 }, 'running');
  };
  report(80);
  await until(() => agent.unacknowledged === 0, 'what came in one frame');
  agent.cut();
  await agent.connect();
  report(80);
  // Another node's come through meanwhile.
  const other = await open(rig, createIdentity());
  const item = { kind: 'progress', id: 1, task: held.task, attempt: 1, stage: 'running', atMs: 1 };
  other.send({ type: 'report', seq: 1, ack: 0, items: [item] });
  await until(
    () => other.frames.some((frame) => frame.type === 'ack' && frame.report === 1),
    'the other one',
  );
  expect(agent.unacknowledged).toBe(80);
  clock += 2000;
  await until(() => agent.unacknowledged === 0, 'the rest');
  expect(agent.isConnected).toBe(true);
  agent.close();
});

test('a node whose work was paid gets the place of one that has done nothing, and no stranger does', async () => {
  const rig = await openRig({ sessions: 2 });
  const worker = new ScriptedAgent({
    url: rig.url,
    act: () => ({ reason: 'completed', exitCode: 0, ranMs: 60_000 }),
  });
  await worker.connect();
  await rig.submitJob(1);
  await until(() => rig.sequencer.state.nodes.get(worker.identity.node)?.isProven === true, 'the pay');
  worker.cut();
  await until(() => rig.gateway.sessions === 0, 'the end of its session');
  const idle = [await open(rig, createIdentity()), await open(rig, createIdentity())];
  await expect(open(rig, createIdentity())).rejects.toThrow('1013 service.overloaded');
  await worker.connect();
  expect((await idle[0]?.ended)?.refusal).toBe('service.overloaded');
  expect(idle[1]?.socket.readyState).toBe(1);
  worker.close();
});
