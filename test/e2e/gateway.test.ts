import { createHash, createPublicKey, verify } from 'node:crypto';
import { request } from 'node:http';
import { signedReceipt } from '@capacloud/coordinator/store/stored-receipt';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { decodeBase64, decodeHex } from '@capacloud/protocol/log/bytes';
import { leafHash, verifyInclusion } from '@capacloud/protocol/log/merkle';
import { delegationDomain, delegationTypes } from '@capacloud/protocol/wire/delegation';
import type { AckFrame, AssignFrame, Assignment } from '@capacloud/protocol/wire/frames';
import { AssignmentSchema } from '@capacloud/protocol/wire/frames';
import { hashReceipt, receiptBatchMessage, type SignedReceipt } from '@capacloud/protocol/wire/receipt';
import { SignedReceiptSchema } from '@capacloud/protocol/wire/receipt-schema';
import { createIdentity } from '@capacloud/rig/network/agent-keys';
import {
  type GatewayRig,
  type GatewayRigOptions,
  rigChainId,
  startGatewayRig,
  until,
} from '@capacloud/rig/network/gateway-rig';
import { RawPeer } from '@capacloud/rig/network/raw-peer';
import { ScriptedAgent, type ScriptedAgentOptions } from '@capacloud/rig/network/scripted-agent';
import { verifyTypedData } from 'ethers';
import { Compile } from 'typebox/compile';
import { afterEach, expect, test } from 'vitest';

const stops: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function rigOf(options: GatewayRigOptions = {}): Promise<GatewayRig> {
  const rig = await startGatewayRig(options);
  stops.push(async () => {
    await rig.stop();
    expect(rig.fatal).toEqual([]);
  });
  return rig;
}

function agentOf(rig: GatewayRig, options: Partial<ScriptedAgentOptions> = {}): ScriptedAgent {
  const agent = new ScriptedAgent({ url: rig.url, ...options });
  stops.push(() => agent.cut());
  return agent;
}

function typesOf(rig: GatewayRig, type: string): number {
  return rig.events.filter(({ event }) => event.type === type).length;
}

test('tasks go out, come back signed, and are acknowledged once durable', async () => {
  const rig = await rigOf();
  const assignments: Assignment[] = [];
  const agent = agentOf(rig, {
    act: (assignment) => {
      assignments.push(assignment);
      return { stages: ['pulling', 'running', 'uploading'], reason: 'completed', exitCode: 0, ranMs: 5 };
    },
  });
  const welcome = await agent.connect();
  expect(welcome.desired).toEqual([]);
  expect(rig.gateway.tokens.resolve(welcome.token)).toMatchObject({ node: agent.identity.node });
  const job = await rig.submitJob(10);
  await until(() => agent.acked === 10, 'every acknowledgement');
  const checkAssignment = Compile(AssignmentSchema);
  for (const assignment of assignments) {
    expect([...checkAssignment.Errors(assignment)]).toEqual([]);
    expect(assignment.task.startsWith(job)).toBe(true);
    expect(assignment.taskCount).toBe(10);
  }
  expect(new Set(assignments.map(({ taskIndex }) => taskIndex)).size).toBe(10);
  expect(new Set(assignments.map(({ nonce }) => nonce)).size).toBe(10);
  expect(typesOf(rig, 'job.settled')).toBe(1);
  expect(rig.gateway.refusals.size).toBe(0);
});

test('a stored receipt proves itself to somebody who trusts nobody here', async () => {
  const rig = await rigOf();
  const agent = agentOf(rig);
  await agent.connect();
  await rig.submitJob(7);
  await until(() => agent.acked === 7, 'every acknowledgement');
  const receipts = rig.asides.flatMap((aside) => (aside.kind === 'receipt' ? [aside] : []));
  expect(receipts).toHaveLength(7);
  const check = Compile(SignedReceiptSchema);
  const delegations = rig.asides.flatMap((aside) => (aside.kind === 'delegation' ? [aside] : []));
  expect(delegations).toHaveLength(1);
  for (const row of receipts) {
    const kept = delegations.find(({ digest }) => digest === row.delegation);
    // As the store keeps it, and gives it.
    const stored = {
      ...row,
      position: BigInt(row.position),
      size: BigInt(row.size),
      delegation: kept?.delegation ?? '',
      delegation_signature: kept?.signature ?? '',
    };
    const parsed: unknown = JSON.parse(signedReceipt(stored));
    expect(check.Check(parsed)).toBe(true);
    const { receipt, batch, delegation, delegationSignature } = parsed as SignedReceipt;
    const digest = hashReceipt(receipt);
    expect(Buffer.from(digest).toString('hex')).toBe((parsed as SignedReceipt).hash);
    // The signature covers the root; rebuild it from the path and see that the path holds.
    const proof = batch.path.map((hex) => decodeHex(hex) ?? new Uint8Array());
    const root = rootFrom(leafHash(digest), batch.index, batch.size, proof);
    expect(
      verifyInclusion({ leafHash: leafHash(digest), index: batch.index, size: batch.size, root, proof }),
    ).toBe(true);
    const key = createPublicKey({
      key: Buffer.concat([
        Buffer.from('302a300506032b6570032100', 'hex'),
        Buffer.from(delegation.sessionKey.slice(2), 'hex'),
      ]),
      format: 'der',
      type: 'spki',
    });
    expect(
      verify(null, receiptBatchMessage(root), key, decodeBase64(batch.signature) ?? new Uint8Array()),
    ).toBe(true);
    const signer = verifyTypedData(
      delegationDomain(rigChainId),
      delegationTypes,
      delegation,
      delegationSignature,
    );
    expect(signer.toLowerCase()).toBe(agent.identity.address);
  }
});

/** RFC 9162 section 2.1.3.2, written again so that the test shares no code with what it tests. */
function rootFrom(leaf: Uint8Array, index: number, size: number, path: readonly Uint8Array[]): Uint8Array {
  const join = (left: Uint8Array, right: Uint8Array) =>
    createHash('sha256').update(Uint8Array.of(1)).update(left).update(right).digest();
  let [fn, sn, node] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (fn % 2 === 1 || fn === sn) {
      node = join(sibling, node);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
    } else node = join(node, sibling);
    [fn, sn] = [fn >> 1, sn >> 1];
  }
  return node;
}

test('after a cut the same attempts go on: nothing is lost and nothing is paid twice', async () => {
  const rig = await rigOf();
  const agent = agentOf(rig, { act: () => 'hold' });
  await agent.connect();
  await rig.submitJob(4);
  await until(() => agent.held.size === 4, 'the assignments');
  const [one, two] = [...agent.held.values()];
  if (one === undefined || two === undefined) throw new Error('held nothing');
  agent.report({ task: one.task, attempt: 1 }, 'running');
  await until(() => agent.unacknowledged === 0, 'the acknowledgement');
  agent.cut();
  // Finished while there is no connection: the outbox keeps it.
  agent.finish(one);
  agent.finish(two);
  const welcome = await agent.connect();
  expect(welcome.desired).toHaveLength(4);
  await until(() => agent.acked === 2, 'what waited in the outbox');
  for (const assignment of agent.held.values()) agent.finish(assignment);
  await until(() => agent.acked === 4, 'the rest');
  expect(agent.assigned).toBe(4);
  expect(typesOf(rig, 'attempt.ended')).toBe(4);
  expect(typesOf(rig, 'job.settled')).toBe(1);
});

test('an assignment that a cut swallowed is sent with the next session', async () => {
  const rig = await rigOf();
  const identity = createIdentity();
  const peer = new RawPeer(rig.url);
  await peer.open(identity);
  await rig.submitJob(2);
  await peer.next<AssignFrame>('assign');
  peer.socket.terminate();
  const agent = agentOf(rig, { identity });
  expect((await agent.connect()).desired).toHaveLength(2);
  await until(() => agent.acked === 2, 'both');
});

test('an assignment that is never answered is sent again', async () => {
  const rig = await rigOf({ limits: { resendMs: 1 } });
  const peer = new RawPeer(rig.url);
  stops.push(() => peer.socket.terminate());
  await peer.open(createIdentity());
  await rig.submitJob(1);
  const assigns = () => peer.frames.flatMap((frame) => (frame.type === 'assign' ? frame.assignments : []));
  await until(() => assigns().length >= 2, 'the second time');
  expect(assigns()[1]).toEqual(assigns()[0]);
});

test('a cancelled job is stopped on its nodes, and their answer frees them', async () => {
  const rig = await rigOf();
  const agent = agentOf(rig, { act: () => 'hold' });
  await agent.connect();
  const job = await rig.submitJob(6);
  await until(() => agent.held.size === 4, 'the assignments');
  await rig.cancel(job);
  await until(() => agent.acked === 4, 'the stops');
  expect(agent.stopped).toBe(4);
  expect(typesOf(rig, 'attempt.released')).toBe(4);
  await rig.submitJob(4);
  await until(() => agent.held.size === 4, 'new work in the room that is free again');
});

test('what the coordinator no longer wants is not in the welcome', async () => {
  const rig = await rigOf();
  const agent = agentOf(rig, { act: () => 'hold' });
  await agent.connect();
  const job = await rig.submitJob(3);
  await until(() => agent.held.size === 3, 'the assignments');
  agent.cut();
  await until(() => rig.gateway.sessions === 0, 'the end of the session');
  await rig.cancel(job);
  expect((await agent.connect()).desired).toEqual([]);
  expect(agent.held.size).toBe(0);
});

test('a newer session of the node fences the older one', async () => {
  const rig = await rigOf();
  const identity = createIdentity();
  const older = new RawPeer(rig.url);
  const { token } = await older.open(identity);
  const newer = agentOf(rig, { identity });
  await newer.connect();
  expect(await older.ended).toEqual({ code: 4410, refusal: 'session.superseded' });
  expect(rig.gateway.tokens.resolve(token)).toBeUndefined();
  expect(rig.gateway.sessions).toBe(1);
  await rig.submitJob(3);
  await until(() => newer.acked === 3, 'the work of the newer session');
});

test('a receipt that does not hold fails its own attempt and no other', async () => {
  const rig = await rigOf();
  const [present, absent, foreign] = ['a', 'b', 'c'].map((digit) => digit.repeat(64) as Sha256Hex);
  const identity = createIdentity();
  const row = { sizeBytes: 3, complete: true, createdAt: 0 };
  if (present === undefined || absent === undefined || foreign === undefined) throw new Error('no hashes');
  rig.artifacts.set(present, { ...row, sha256: present, taskIndex: 0 });
  rig.artifacts.set(foreign, { ...row, sha256: foreign, taskIndex: 0 });
  const hashes = [present, absent, foreign];
  const agent = agentOf(rig, {
    identity,
    act: ({ taskIndex, attempt, nonce }) => {
      if (attempt > 1) return 'hold';
      const sha256 = hashes[taskIndex];
      expect(nonce).toMatch(/^[0-9a-f]{32}$/);
      if (sha256 === undefined) return { reason: 'completed', exitCode: 7 };
      return { reason: 'completed', exitCode: 0, outputs: [{ path: '/out/x', sha256, sizeBytes: 3 }] };
    },
  });
  await agent.connect();
  const job = await rig.submitJob(4, {}, [{ path: '/out', maxBytes: 3 }]);
  await until(() => agent.acked === 4, 'every acknowledgement');
  const reasons = rig.events.flatMap(({ event }) =>
    event.type === 'attempt.ended' ? [[event.task, event.reason]] : [],
  );
  expect(reasons).toEqual([
    [`${job}.0`, 'completed'],
    [`${job}.1`, 'upload_failed'],
    [`${job}.2`, 'upload_failed'],
    [`${job}.3`, 'agent_failed'],
  ]);
  expect(rig.gateway.refusals.get('receipt.invalid')).toBe(3);
  expect(agent.isConnected).toBe(true);
});

test('heartbeats keep a node alive and show how far its pulls have come', async () => {
  let nowMs = Date.now();
  const rig = await rigOf({ now: () => nowMs, limits: { idleMs: 3_600_000 } });
  const agent = agentOf(rig, { act: () => 'hold' });
  await agent.connect();
  const job = await rig.submitJob(1);
  await until(() => agent.held.size === 1, 'the assignment');
  const { task, attempt } = [...agent.held.values()][0] ?? {
    task: `${job}.0` as Assignment['task'],
    attempt: 0,
  };
  nowMs += 14_000;
  agent.beat([{ task, attempt, doneBytes: 10, totalBytes: 100 }]);
  await until(() => rig.gateway.activity.get(task) !== undefined, 'the progress');
  expect(rig.gateway.activity.get(task)).toEqual({ attempt: 1, doneBytes: 10, totalBytes: 100 });
  expect(rig.gateway.heard().get(agent.identity.node)?.lastAt).toBe(nowMs);
  nowMs += 14_000;
  await rig.tick();
  expect(rig.sequencer.state.nodes.get(agent.identity.node)?.status).toBe('ready');
  nowMs += 14_000;
  await rig.tick();
  expect(rig.sequencer.state.nodes.get(agent.identity.node)?.status).toBe('unknown');
});

test('a silent session is closed', async () => {
  let nowMs = Date.now();
  const rig = await rigOf({ now: () => nowMs });
  const peer = new RawPeer(rig.url);
  await peer.open(createIdentity());
  nowMs += 60_000;
  expect(await peer.ended).toEqual({ code: 4408, refusal: 'session.idle' });
});

test('a node that was given up while its session was open has to come back', async () => {
  let nowMs = Date.now();
  const rig = await rigOf({ now: () => nowMs, limits: { idleMs: 3_600_000 } });
  const agent = agentOf(rig);
  await agent.connect();
  nowMs += 600_000;
  await rig.tick();
  const status = () => rig.sequencer.state.nodes.get(agent.identity.node)?.status;
  expect(status()).toBe('lost');
  agent.beat();
  await until(() => !agent.isConnected, 'the end of its session');
  expect(rig.gateway.refusals.get('session.idle')).toBe(1);
  await agent.connect();
  expect(status()).toBe('ready');
});

test('an offer changes what the node sells, and of many in a second the newest is logged', async () => {
  const rig = await rigOf();
  const agent = agentOf(rig);
  await agent.connect();
  const offer = rig.sequencer.state.nodes.get(agent.identity.node)?.offer;
  if (offer === undefined) throw new Error('no offer');
  agent.changeOffer({ ...offer, slots: 9 }, false);
  await until(() => rig.sequencer.state.nodes.get(agent.identity.node)?.status === 'cordoned', 'the pause');
  expect(rig.sequencer.state.nodes.get(agent.identity.node)?.offer.slots).toBe(9);
  for (let slots = 1; slots <= 40; slots++) agent.changeOffer({ ...offer, slots }, true);
  const offered = () =>
    rig.events.flatMap(({ event }) => (event.type === 'node.offered' ? [event.offer.slots] : []));
  await until(() => offered().at(-1) === 40, 'the newest');
  expect(agent.isConnected).toBe(true);
  const logged = offered();
  expect([...logged.slice(0, 2), logged.at(-1)]).toEqual([offer.slots, 9, 40]);
  // One a second: how many seconds it takes to send them is for the machine to say.
  expect(logged.length).toBeLessThan(10);
});

test('a peer that acknowledges nothing is given up', async () => {
  const rig = await rigOf({ limits: { framesBurst: 10_000 } });
  const peer = new RawPeer(rig.url);
  await peer.open(createIdentity());
  const load = { cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 };
  let n = 0;
  while (peer.socket.readyState === peer.socket.OPEN) {
    const before = peer.frames.length;
    n += 1;
    peer.send({ type: 'heartbeat', seq: n, ack: 0, n, load, pulls: [] });
    // One answer each: together they would share one.
    while (peer.frames.length === before && peer.socket.readyState === peer.socket.OPEN)
      await new Promise(setImmediate);
  }
  expect((await peer.ended).refusal).toBe('session.backlog');
  expect(n).toBeGreaterThan(2000);
});

test('frames faster than the limit end the session', async () => {
  const rig = await rigOf({ limits: { framesPerSecond: 1, framesBurst: 20 } });
  const peer = new RawPeer(rig.url);
  await peer.open(createIdentity());
  const load = { cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 };
  for (let n = 1; n <= 40; n++) peer.send({ type: 'heartbeat', seq: n, ack: 0, n, load, pulls: [] });
  expect((await peer.ended).refusal).toBe('frame.rate_limited');
});

test('reports beyond the bound wait unread until the log has caught up', async () => {
  const rig = await rigOf({ limits: { reportsInFlight: 4 } });
  const agent = agentOf(rig, { act: () => 'hold' });
  await agent.connect();
  await rig.submitJob(1);
  await until(() => agent.held.size === 1, 'the assignment');
  const attempt = [...agent.held.values()][0];
  if (attempt === undefined) throw new Error('held nothing');
  for (let i = 0; i < 50; i++) {
    agent.report({ task: attempt.task, attempt: 1 }, 'running');
    await new Promise(setImmediate);
  }
  await until(() => agent.unacknowledged === 0, 'every acknowledgement');
  expect(agent.isConnected).toBe(true);
});

test('strangers have a bounded room and a bounded time', async () => {
  const rig = await rigOf({ limits: { unauthenticatedPerAddress: 3, handshakeTimeoutMs: 300 } });
  const peers = Array.from({ length: 3 }, () => new RawPeer(rig.url));
  await Promise.all(peers.map((peer) => peer.challenge()));
  expect(rig.gateway.unauthenticated).toBe(3);
  const newest = new RawPeer(rig.url);
  await newest.challenge();
  expect(await peers[0]?.ended).toEqual({ code: 1013, refusal: 'service.overloaded' });
  for (const peer of [...peers.slice(1), newest])
    expect(await peer.ended).toEqual({ code: 4408, refusal: 'session.handshake_timeout' });
  await until(() => rig.gateway.unauthenticated === 0, 'the room');
  await agentOf(rig).connect();
});

test('sessions have a bound too', async () => {
  const rig = await rigOf({ limits: { sessions: 1 } });
  await agentOf(rig).connect();
  const newcomer = new RawPeer(rig.url);
  await expect(newcomer.open(createIdentity())).rejects.toThrow('service.overloaded');
});

test('another path is not found', async () => {
  const rig = await rigOf();
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const headers = {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    request({ host: '127.0.0.1', port: rig.port, path: '/elsewhere', headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
  expect(status).toBe(404);
});

test('draining tells everybody, takes nobody in, and ends', async () => {
  const rig = await rigOf();
  const agent = agentOf(rig);
  await agent.connect();
  const stranger = new RawPeer(rig.url);
  await stranger.challenge();
  await rig.gateway.drain(AbortSignal.timeout(5000));
  expect(await stranger.ended).toEqual({ code: 1012, refusal: 'session.draining' });
  await until(() => agent.refusal !== undefined, 'the word to the agent');
  expect(agent.refusal?.code).toBe('session.draining');
  expect(await new RawPeer(rig.url).ended).toEqual({ code: 0, refusal: 'session.draining' });
});

test('a peer that will not close is cut when the drain is over', async () => {
  const rig = await rigOf({ limits: { closeTimeoutMs: 60_000 } });
  const peer = new RawPeer(rig.url);
  await peer.open(createIdentity());
  peer.socket.pause();
  await rig.gateway.drain(AbortSignal.timeout(100));
  expect(rig.gateway.sessions).toBe(0);
});

test('the acknowledgement names the newest heartbeat', async () => {
  const rig = await rigOf();
  const peer = new RawPeer(rig.url);
  stops.push(() => peer.socket.terminate());
  await peer.open(createIdentity());
  const load = { cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 };
  peer.send({ type: 'heartbeat', seq: 1, ack: 0, n: 17, load, pulls: [] });
  expect(await peer.next<AckFrame>('ack')).toEqual({ type: 'ack', seq: 1, ack: 1, report: 0, heartbeat: 17 });
});
