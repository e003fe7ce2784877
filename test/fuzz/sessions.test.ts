import { isErrorCode } from '@capacloud/protocol/catalogue/errors';
import type { TaskId } from '@capacloud/protocol/ids';
import type { ReportItem } from '@capacloud/protocol/wire/frames';
import { HeartbeatFrameSchema, OfferFrameSchema, ReportFrameSchema } from '@capacloud/protocol/wire/frames';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import { createIdentity, type Identity, plainOffer, signItems } from '@capacloud/rig/network/agent-keys';
import { type GatewayRig, startGatewayRig, until } from '@capacloud/rig/network/gateway-rig';
import { RawPeer } from '@capacloud/rig/network/raw-peer';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { holds } from './fuzz-run.ts';
import { spoiled, torn } from './odd-values.ts';
import { valuesOf } from './schema-values.ts';

let rig: GatewayRig;
let honest: ScriptedAgent;
beforeAll(async () => {
  // A few nodes open a session for each course.
  const limits = { handshakeTimeoutMs: 5000, closeTimeoutMs: 200, sessionsOfNodeBurst: 1_000_000 };
  rig = await startGatewayRig({ keeps: false, limits });
  honest = new ScriptedAgent({ url: rig.url });
  await honest.connect();
});
afterAll(async () => {
  honest.close();
  await rig.stop();
});

const someTask = `job_${'a'.repeat(20)}.0` as TaskId;

/** What a node does next. Its numbers are the model's own, unless a move spoils them. */
const moves = fc.oneof(
  fc.record({ kind: fc.constant('beat' as const) }),
  fc.record({ kind: fc.constant('offer' as const), accepting: fc.boolean(), slots: fc.nat({ max: 4 }) }),
  fc.record({
    kind: fc.constant('progress' as const),
    stage: fc.constantFrom('pulling', 'running', 'uploading'),
    mine: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('finish' as const),
    mine: fc.boolean(),
    lie: fc.constantFrom('', 'node', 'nonce', 'signature', 'exit', 'outputs', 'times', 'text'),
  }),
  fc.record({
    kind: fc.constant('number' as const),
    seq: fc.integer({ min: -2, max: 3 }),
    ack: fc.integer({ min: -2, max: 3 }),
  }),
  fc.record({ kind: fc.constant('repeatReport' as const) }),
  fc.record({
    kind: fc.constant('drawn' as const),
    frame: fc.oneof(valuesOf(HeartbeatFrameSchema), valuesOf(ReportFrameSchema), valuesOf(OfferFrameSchema)),
  }),
  fc.record({
    kind: fc.constant('spoiled' as const),
    frame: spoiled(fc.oneof(valuesOf(HeartbeatFrameSchema), valuesOf(ReportFrameSchema))),
  }),
  fc.record({
    kind: fc.constant('text' as const),
    text: torn(
      fc.constant(
        '{"type":"heartbeat","seq":1,"ack":0,"n":1,"load":{"cpuMilli":0,"memoryFreeBytes":0,"diskFreeBytes":0},"pulls":[]}',
      ),
    ),
  }),
  fc.record({ kind: fc.constant('binary' as const), bytes: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({ kind: fc.constant('ping' as const) }),
  fc.record({ kind: fc.constant('again' as const) }),
  fc.record({ kind: fc.constant('cut' as const) }),
);
type Move = typeof moves extends fc.Arbitrary<infer M> ? M : never;

/** One node of the model: it speaks as an agent does, from its own count of frames. */
class Player {
  readonly peer: RawPeer;
  readonly #identity: Identity;
  #seq = 0;
  #beats = 0;
  #report = 0;
  #lastReport: ReportItem[] = [];

  constructor(peer: RawPeer, identity: Identity) {
    this.peer = peer;
    this.#identity = identity;
  }

  play(move: Move): void {
    switch (move.kind) {
      case 'beat':
        return this.#say('heartbeat', {
          n: ++this.#beats,
          load: { cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 },
          pulls: [],
        });
      case 'offer':
        return this.#say('offer', { offer: { ...plainOffer, slots: move.slots }, accepting: move.accepting });
      case 'progress':
        return this.#sendItems([
          {
            kind: 'progress',
            id: ++this.#report,
            task: this.#task(move.mine),
            attempt: 1,
            stage: move.stage as 'running',
            atMs: 1,
          },
        ]);
      case 'finish':
        return this.#finish(move.mine, move.lie);
      case 'number':
        this.peer.send({
          type: 'heartbeat',
          seq: this.#seq + 1 + move.seq,
          ack: move.ack,
          n: 1,
          load: { cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 },
          pulls: [],
        });
        this.#seq += 1;
        return;
      case 'repeatReport':
        return this.#sendItems(this.#lastReport);
      case 'drawn':
        return this.peer.send({ ...(move.frame as object), seq: ++this.#seq, ack: this.#heard() });
      case 'spoiled':
        return this.peer.send(JSON.stringify(move.frame) ?? 'null');
      case 'text':
        return this.peer.send(move.text);
      case 'binary':
        return this.peer.send(Buffer.from(move.bytes));
      case 'ping':
        return this.peer.socket.ping('x');
      case 'again':
        return this.peer.send({ type: 'hello' });
      case 'cut':
        return this.peer.socket.terminate();
    }
  }

  #heard(): number {
    let heard = 0;
    for (const frame of this.peer.frames) if ('seq' in frame) heard = Math.max(heard, frame.seq);
    return heard;
  }
  #assigned() {
    return this.peer.frames.flatMap((frame) => (frame.type === 'assign' ? frame.assignments : []))[0];
  }
  #task(mine: boolean): TaskId {
    return mine ? (this.#assigned()?.task ?? someTask) : someTask;
  }
  #say(type: string, body: object): void {
    this.peer.send({ type, seq: ++this.#seq, ack: this.#heard(), ...body });
  }
  #sendItems(items: ReportItem[], change: object = {}): void {
    if (items.length === 0) return;
    this.#lastReport = items;
    const signature = signItems(items, this.peer.key);
    this.#say('report', { items, ...(signature === undefined ? {} : { signature }), ...change });
  }
  #finish(mine: boolean, lie: string): void {
    const assignment = mine ? this.#assigned() : undefined;
    const receipt: Receipt = {
      version: 1,
      node: lie === 'node' ? honest.identity.node : this.#identity.node,
      task: this.#task(mine),
      attempt: assignment?.attempt ?? 1,
      nonce: lie === 'nonce' ? '0'.repeat(32) : (assignment?.nonce ?? '1'.repeat(32)),
      reason: 'completed',
      exitCode: lie === 'exit' ? 1 : 0,
      oomKilled: false,
      startedAt: lie === 'times' ? Number.MAX_SAFE_INTEGER : 1,
      finishedAt: lie === 'times' ? 0 : 2,
      outputs: lie === 'outputs' ? [{ path: '/out', sha256: 'a'.repeat(64) as never, sizeBytes: 1 }] : [],
      log: { sizeBytes: 0, truncated: false },
    };
    const item: ReportItem = { kind: 'finished', id: ++this.#report, receipt };
    if (lie === 'text')
      return this.#say('report', {
        items: [{ ...item, receipt: { ...receipt, message: '\ud800' } }],
        signature: 'AAAA',
      });
    this.#sendItems([item], lie === 'signature' ? { signature: 'AAAA' } : {});
  }
}

/** Closed with a code of the catalogue, or still open and answering. */
async function expectAnswered(peer: RawPeer): Promise<void> {
  if (peer.socket.readyState === WebSocket.OPEN) {
    const pong = new Promise<void>((resolve) => {
      peer.socket.once('pong', () => resolve());
    });
    peer.socket.ping();
    await Promise.race([pong, peer.ended]);
  }
  if (peer.socket.readyState === WebSocket.OPEN) {
    peer.socket.close(1000);
    await peer.ended;
    return;
  }
  const { code, refusal } = await peer.ended;
  if (refusal === undefined) expect([1000, 1002, 1005, 1006, 1007, 1009]).toContain(code);
  else {
    expect(isErrorCode(refusal)).toBe(true);
    expect(refusal.startsWith('service.internal')).toBe(false);
  }
}

test('any course of a session ends in an answer or a code, and the books stay whole', async () => {
  const identities = Array.from({ length: 4 }, () => createIdentity());
  await holds(
    fc.tuple(fc.nat({ max: 3 }), fc.array(moves, { minLength: 1, maxLength: 14 })),
    120,
    async ([who, course]) => {
      const identity = identities[who] ?? createIdentity();
      await rig.submitJob(1, { providers: [identity.address as never], queueTimeoutMs: 60_000 });
      const peer = new RawPeer(rig.url);
      await peer.open(identity);
      const player = new Player(peer, identity);
      for (const move of course) {
        if (peer.socket.readyState !== WebSocket.OPEN) break;
        player.play(move);
      }
      await expectAnswered(peer);
    },
  );
  expect(rig.fatal).toEqual([]);
  const { checkInvariants } = await import('@capacloud/core/invariants');
  checkInvariants(rig.sequencer.state);
  await rig.submitJob(3, { providers: [honest.identity.address as never] });
  const before = honest.acked;
  await until(() => honest.acked >= before + 1, 'work of the honest agent');
});
