import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import type { NodeId, TaskId } from '@capacloud/protocol/ids';
import type { Delegation } from '@capacloud/protocol/wire/delegation';
import type { Assignment, ChallengeFrame, HelloFrame, ReportItem } from '@capacloud/protocol/wire/frames';
import {
  HeartbeatFrameSchema,
  HelloFrameSchema,
  OfferFrameSchema,
  ReportFrameSchema,
  sessionPath,
  wireLimits,
} from '@capacloud/protocol/wire/frames';
import type { Receipt } from '@capacloud/protocol/wire/receipt';
import {
  createHello,
  createIdentity,
  createSessionKey,
  type Identity,
  plainOffer,
  signItems,
} from '@capacloud/rig/network/agent-keys';
import { type GatewayRig, rigChainId, startGatewayRig, until } from '@capacloud/rig/network/gateway-rig';
import { type Ending, RawPeer } from '@capacloud/rig/network/raw-peer';
import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';
import { Compile } from 'typebox/compile';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { timesOf } from '../fuzz/fuzz-run.ts';

/** Same seed, same frames: a failure is replayed by running the test again. */
const seed = 20_260_726;
const strangers = timesOf(2000);
const members = timesOf(400);
const lateReports = 5000;
const width = 24;

type Random = () => number;
function seeded(state: number): Random {
  let a = state;
  // mulberry32: small, and good enough to vary frames.
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
const pick = <T>(random: Random, items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

const deep = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
/** JSON texts that no field expects. `9e999` is Infinity once parsed. */
const oddTexts: readonly string[] = [
  'null',
  'true',
  '-1',
  '0',
  '1.5',
  '9e999',
  '-9e999',
  '9007199254740993',
  '1e308',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  `"${'x'.repeat(5000)}"`,
  '[]',
  '{}',
  '[[[[]]]]',
  deep(5000),
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  `[${'0,'.repeat(3000)}0]`,
];
const oddKeys = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'x', '', 'seq ', 'typé'];

interface Spot {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}
function spotsOf(value: unknown, spots: Spot[] = []): Spot[] {
  if (typeof value !== 'object' || value === null) return spots;
  const holder = value as Record<string, unknown>;
  for (const key of Object.keys(holder)) {
    spots.push({ holder, key });
    spotsOf(holder[key], spots);
  }
  return spots;
}

/** One spoiled text of a sound frame. */
function mutate(frame: object, random: Random): string {
  const text = JSON.stringify(frame);
  const copy = JSON.parse(text) as Record<string, unknown>;
  const { holder, key } = pick(random, spotsOf(copy));
  const marker = '\u0001';
  switch (Math.floor(random() * 9)) {
    case 0:
      delete holder[key];
      return JSON.stringify(copy);
    case 1:
      holder[key] = marker;
      return JSON.stringify(copy).replace(JSON.stringify(marker), pick(random, oddTexts));
    case 2:
      return text.replace('{', `{${JSON.stringify(pick(random, oddKeys))}:${pick(random, oddTexts)},`);
    case 3:
      return text.slice(0, Math.floor(random() * text.length));
    case 4:
      return pick(random, [
        '',
        ' ',
        'null',
        '[]',
        '42',
        '"hello"',
        'undefined',
        '{',
        '{}',
        '\ufeff{}',
        deep(20_000),
      ]);
    case 5: {
      const at = Math.floor(random() * text.length);
      return `${text.slice(0, at)}${pick(random, ['"', '\\', '}', ',', '\u0000', '💥', '\ud800'])}${text.slice(at)}`;
    }
    case 6:
      copy.type = pick(random, [
        'welcome',
        'challenge',
        'assign',
        'ack',
        'refusal',
        '',
        '__proto__',
        7,
        null,
      ]);
      return JSON.stringify(copy);
    case 7:
      return `${text.slice(0, -1)},"filler":"${'x'.repeat(Math.floor(random() * wireLimits.frameBytes * 1.2))}"}`;
    default:
      holder[key] = Array.from({ length: 300 }, () => holder[key]);
      return JSON.stringify(copy).slice(0, 2 ** 20);
  }
}

const checks = {
  hello: Compile(HelloFrameSchema),
  report: Compile(ReportFrameSchema),
  heartbeat: Compile(HeartbeatFrameSchema),
  offer: Compile(OfferFrameSchema),
};
/** Mutates until nothing sound is left by chance: what is sent must be refused. */
function spoil(frame: { readonly type: keyof typeof checks }, random: Random): string {
  for (;;) {
    const text = mutate(frame, random);
    try {
      if (!checks[frame.type].Check(JSON.parse(text))) return text;
    } catch {
      return text;
    }
  }
}

const sent = new Map<string, number>();
const answers = new Map<string, number>();
function count(kind: string, ending: Ending): void {
  sent.set(kind, (sent.get(kind) ?? 0) + 1);
  const answer = `${kind} → ${ending.refusal ?? `close ${ending.code}`}`;
  answers.set(answer, (answers.get(answer) ?? 0) + 1);
}
/** Refused with a code of ours, or, below our frames, with the WebSocket's own close code. */
function expectRefused(ending: Ending, codes?: readonly (ErrorCode | number)[]): void {
  if (ending.refusal === undefined) expect([1002, 1007, 1008, 1009]).toContain(ending.code);
  if (codes !== undefined) expect(codes).toContain(ending.refusal ?? ending.code);
}

async function inParallel(
  times: number,
  task: (index: number, worker: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const work = async (worker: number) => {
    while (next < times) {
      const index = next;
      next += 1;
      await task(index, worker);
    }
  };
  await Promise.all(Array.from({ length: width }, (_, worker) => work(worker)));
}

let rig: GatewayRig;
let honest: ScriptedAgent;
let heapBefore = 0;
let submitted = 0;
const identities: Identity[] = Array.from({ length: width }, () => createIdentity());

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
function heapUsed(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

beforeAll(async () => {
  // The abusers are few, and each opens many sessions.
  const limits = { handshakeTimeoutMs: 5000, sessionsOfNodeBurst: 1_000_000 };
  rig = await startGatewayRig({ keeps: false, limits });
  honest = new ScriptedAgent({ url: rig.url });
  await honest.connect();
  // The session goes on working all the while: only it fits these tasks.
  const work = setInterval(() => {
    submitted += 3;
    void rig.submitJob(3, { providers: [honest.identity.address as never] });
  }, 50);
  stopWork = () => clearInterval(work);
  await new RawPeer(rig.url).open(createIdentity());
  heapBefore = heapUsed();
});
let stopWork: () => void = () => {};

afterAll(async () => {
  honest.close();
  await rig.stop();
});

function heartbeat(seq: number, ack = 0) {
  const load = { cpuMilli: 1, memoryFreeBytes: 1, diskFreeBytes: 1 };
  return { type: 'heartbeat' as const, seq, ack, n: seq, load, pulls: [pullOf(0)] };
}
const someJob = `job_${'a'.repeat(20)}`;
function pullOf(index: number) {
  return { task: `${someJob}.${index}` as TaskId, attempt: 1, doneBytes: 0, totalBytes: 1 };
}
function receiptOf(node: NodeId, task: TaskId, nonce: string, attempt = 1): Receipt {
  return {
    version: 1,
    node,
    task,
    attempt,
    nonce,
    reason: 'completed',
    exitCode: 0,
    oomKilled: false,
    startedAt: 1,
    finishedAt: 2,
    outputs: [],
    log: { sizeBytes: 0, truncated: false },
  };
}
function itemsOf(node: NodeId): ReportItem[] {
  const task = `${someJob}.0` as TaskId;
  return [
    { kind: 'progress', id: 1, task, attempt: 1, stage: 'running', atMs: 1 },
    { kind: 'finished', id: 2, receipt: receiptOf(node, task, 'a'.repeat(32)) },
  ];
}

/** All that the shape of a frame may be refused with. */
const shapes: readonly (ErrorCode | number)[] = [
  'frame.malformed',
  'frame.too_large',
  'frame.unexpected',
  1009,
];

test('strangers: every spoiled first frame is refused with a code', { timeout: 300_000 }, async () => {
  const random = seeded(seed);
  const identity = createIdentity();
  const probe = new RawPeer(rig.url);
  const sound = await probe.hello(identity);
  probe.socket.terminate();
  await inParallel(strangers, async () => {
    const peer = new RawPeer(rig.url);
    await peer.challenge();
    const text = spoil(sound, random);
    peer.send(text);
    // What follows a refused frame is never read.
    peer.send(text);
    const ending = await peer.ended;
    count('hello, spoiled', ending);
    expectRefused(ending, shapes);
  });
});

test('strangers: every way to lie in a handshake is refused with its code', async () => {
  const [me, other] = [createIdentity(), createIdentity()];
  const lies: Record<string, [ErrorCode, (challenge: ChallengeFrame, peer: RawPeer) => Promise<unknown>]> =
    {};
  const lie = (
    name: string,
    code: ErrorCode,
    make: (challenge: ChallengeFrame, peer: RawPeer) => Promise<unknown>,
  ) => {
    lies[name] = [code, make];
  };
  const delegate = (name: string, change: (delegation: Delegation) => Delegation) =>
    lie(name, 'session.delegation_invalid', (challenge, peer) =>
      createHello(challenge, me, peer.key, {}, change),
    );
  const forge = (
    name: string,
    change: (hello: HelloFrame) => unknown,
    code: ErrorCode = 'session.delegation_invalid',
  ) => lie(name, code, async (_, peer) => change(await peer.hello(me)));
  delegate('another coordinator', (delegation) => ({ ...delegation, coordinator: 'elsewhere' }));
  delegate('another nonce', (delegation) => ({ ...delegation, nonce: `0x${'7'.repeat(64)}` }));
  delegate('expired', (delegation) => ({ ...delegation, expiresAt: Math.floor(Date.now() / 1000) - 1 }));
  delegate('too long', (delegation) => ({ ...delegation, expiresAt: delegation.expiresAt + 2 * 86_400 }));
  delegate('for ever', (delegation) => ({ ...delegation, expiresAt: Number.MAX_SAFE_INTEGER }));
  delegate('the node of another', (delegation) => ({ ...delegation, node: other.address }));
  delegate('another session key', (delegation) => ({
    ...delegation,
    sessionKey: createSessionKey().publicKey,
  }));
  delegate('a session key that is none', (delegation) => ({
    ...delegation,
    sessionKey: `0x${'f'.repeat(64)}`,
  }));
  forge('a changed provider', (hello) => ({
    ...hello,
    delegation: { ...hello.delegation, provider: other.address },
  }));
  forge('a random signature', (hello) => ({ ...hello, signature: `0x${'1b'.repeat(65)}` }));
  forge('a signature of zeros', (hello) => ({ ...hello, signature: `0x${'0'.repeat(130)}` }));
  forge('a proof of nothing', (hello) => ({ ...hello, proof: 'AAAA' }));
  forge('a proof that is no base64', (hello) => ({ ...hello, proof: '💥' }));
  forge('no common version', (hello) => ({ ...hello, protocols: [99] }), 'session.protocol_unsupported');
  forge('a frame of a session', () => heartbeat(1), 'frame.unexpected');
  forge('too large for a stranger', (hello) => ({ ...hello, x: 'x'.repeat(70_000) }), 'frame.too_large');
  forge('binary', (hello) => Buffer.from(JSON.stringify(hello)), 'frame.malformed');
  lie('the wallet of another', 'session.delegation_invalid', async (challenge, peer) => {
    const mine = await createHello(challenge, me, peer.key);
    return { ...mine, signature: (await createHello(challenge, other, peer.key)).signature };
  });
  lie('another chain', 'session.delegation_invalid', (challenge, peer) =>
    createHello(challenge, me, peer.key, {}, undefined, rigChainId + 1),
  );
  lie('a nonce of an earlier connection', 'session.delegation_invalid', async () => {
    const earlier = new RawPeer(rig.url);
    // A node of its own: of two sessions of one node that open at once, one is superseded before its welcome.
    const hello = await earlier.hello(createIdentity());
    earlier.send(hello);
    await earlier.next('welcome');
    earlier.socket.terminate();
    return hello;
  });
  const entries = Object.entries(lies);
  await inParallel(entries.length * 8, async (index) => {
    const [name, [code, make]] = entries[index % entries.length] as (typeof entries)[number];
    const peer = new RawPeer(rig.url);
    peer.send(await make(await peer.challenge(), peer));
    const ending = await peer.ended;
    count(`handshake: ${name}`, ending);
    expectRefused(ending, [code]);
  });
});

test('strangers: what is wrong below our frames closes the socket', async () => {
  const speak = (bytes: Buffer): Promise<Ending> =>
    new Promise((resolve) => {
      const socket = connect(rig.port, '127.0.0.1');
      let got: Buffer = Buffer.alloc(0);
      socket.write(
        `GET ${sessionPath} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
      );
      socket.once('data', () => socket.write(bytes));
      socket.on('data', (chunk: Buffer) => {
        got = Buffer.concat([got, chunk]);
      });
      socket.on('error', () => {});
      socket.on('close', () => {
        // The close frame is the last thing the server says: 0x88, its length, its code.
        const at = got.lastIndexOf(0x88);
        const refusal = /"code":"([a-z_.]+)"/.exec(got.toString('latin1'))?.[1];
        resolve({ code: got.readUInt16BE(at + 2), refusal });
      });
    });
  const masked = (first: number, length: number, body: Buffer) =>
    Buffer.concat([Buffer.from([first, 0x80 | length, 0, 0, 0, 0]), body]);
  const cases: Record<string, Buffer> = {
    unmasked: Buffer.from([0x81, 0x02, 0x7b, 0x7d]),
    'reserved opcode': masked(0x83, 2, Buffer.from('{}')),
    'reserved bit': masked(0xc1, 2, Buffer.from('{}')),
    'continuation of nothing': masked(0x80, 2, Buffer.from('{}')),
    'invalid UTF-8': masked(0x81, 2, Buffer.from([0xff, 0xfe])),
    'fragmented ping': masked(0x09, 0, Buffer.alloc(0)),
    'a terabyte announced': Buffer.concat([
      Buffer.from([0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0]),
      Buffer.alloc(64),
    ]),
    'a thousand fragments': Buffer.concat([
      masked(0x01, 1, Buffer.from('{')),
      ...Array.from({ length: 1000 }, () => masked(0x00, 1, Buffer.from(' '))),
    ]),
    'a flood of pings': Buffer.concat(Array.from({ length: 500 }, () => masked(0x89, 0, Buffer.alloc(0)))),
    'half a frame, then silence': Buffer.from([0x81, 0xfe, 0xff, 0xff, 0, 0, 0, 0, 0x7b]),
    'nothing at all': Buffer.alloc(0),
  };
  const entries = Object.entries(cases);
  await inParallel(entries.length * 4, async (index) => {
    const [name, bytes] = entries[index % entries.length] as (typeof entries)[number];
    const ending = await speak(bytes);
    count(`below: ${name}`, ending);
    expectRefused(ending);
    if (name.includes('silence') || name.includes('nothing at all'))
      expect(ending.refusal).toBe('session.handshake_timeout');
    if (name.includes('pings')) expect(ending.refusal).toBe('frame.rate_limited');
  });
});

test('members: every spoiled frame of a session ends it with a code', { timeout: 300_000 }, async () => {
  const random = seeded(seed + 1);
  await inParallel(members, async (_, worker) => {
    const identity = identities[worker] as Identity;
    const peer = new RawPeer(rig.url);
    await peer.open(identity);
    const items = itemsOf(identity.node);
    const signature = signItems(items, peer.key);
    const sound = pick(random, [
      heartbeat(1),
      { type: 'offer' as const, seq: 1, ack: 0, offer: plainOffer, accepting: false },
      { type: 'report' as const, seq: 1, ack: 0, items, signature },
    ]);
    peer.send(spoil(sound, random));
    peer.send(heartbeat(2));
    const ending = await peer.ended;
    count(`${sound.type}, spoiled`, ending);
    expectRefused(ending, shapes);
  });
});

test('members: replayed, skipped and impossible numbers end the session', async () => {
  const cases: Record<string, readonly object[]> = {
    'from 0': [heartbeat(0)],
    'from 2': [heartbeat(2)],
    repeated: [heartbeat(1), heartbeat(1)],
    skipped: [heartbeat(1), heartbeat(3)],
    backwards: [heartbeat(1), heartbeat(2), heartbeat(1)],
    'acknowledges what was never sent': [heartbeat(1, 99)],
    'the largest': [heartbeat(Number.MAX_SAFE_INTEGER)],
  };
  const entries = Object.entries(cases);
  await inParallel(entries.length * 10, async (index) => {
    const [name, frames] = entries[index % entries.length] as (typeof entries)[number];
    const peer = new RawPeer(rig.url);
    await peer.open(createIdentity());
    for (const frame of frames) peer.send(frame);
    const ending = await peer.ended;
    count(`order: ${name}`, ending);
    expectRefused(ending, name === 'from 0' ? ['frame.malformed'] : ['frame.out_of_order']);
  });
});

test('members: a stale session, a second hello, a replayed or unsigned report', async () => {
  const attempts: Record<string, [ErrorCode, (peer: RawPeer, me: Identity) => Promise<void>]> = {
    'a stale session goes on': [
      'session.superseded',
      async (peer, me) => {
        const newer = new RawPeer(rig.url);
        await newer.open(me);
        peer.send(heartbeat(1));
        newer.socket.terminate();
      },
    ],
    'a second hello': ['frame.unexpected', async (peer, me) => peer.send(await peer.hello(me))],
    'no signature': [
      'receipt.signature_invalid',
      async (peer, me) => peer.send({ type: 'report', seq: 1, ack: 0, items: itemsOf(me.node) }),
    ],
    'a report of an earlier session': [
      'receipt.signature_invalid',
      async (peer, me) => {
        const items = itemsOf(me.node);
        peer.send({ type: 'report', seq: 1, ack: 0, items, signature: signItems(items, createSessionKey()) });
      },
    ],
    'a receipt changed after signing': [
      'receipt.signature_invalid',
      async (peer, me) => {
        const items = itemsOf(me.node);
        const signature = signItems(items, peer.key);
        const spoiled = JSON.parse(JSON.stringify(items).replace('"exitCode":0', '"exitCode":1')) as unknown;
        peer.send({ type: 'report', seq: 1, ack: 0, items: spoiled, signature });
      },
    ],
    'report ids that fall': [
      'frame.out_of_order',
      async (peer, me) => peer.send({ type: 'report', seq: 1, ack: 0, items: itemsOf(me.node).reverse() }),
    ],
    'binary in a session': [
      'frame.malformed',
      async (peer) => peer.send(Buffer.from(JSON.stringify(heartbeat(1)))),
    ],
  };
  const entries = Object.entries(attempts);
  await inParallel(entries.length * 10, async (index) => {
    const [name, [code, abuse]] = entries[index % entries.length] as (typeof entries)[number];
    const identity = createIdentity();
    const peer = new RawPeer(rig.url);
    await peer.open(identity);
    await abuse(peer, identity);
    const ending = await peer.ended;
    count(`session: ${name}`, ending);
    expectRefused(ending, [code]);
  });
});

test('members: reports of attempts that are not theirs change nothing and are counted by code', async () => {
  const thief = new RawPeer(rig.url);
  const identity = createIdentity();
  await thief.open(identity);
  const before = rig.gateway.refusals.get('attempt.unknown') ?? 0;
  const holder = new ScriptedAgent({ url: rig.url, act: () => 'hold' });
  await holder.connect();
  await rig.submitJob(1, { providers: [holder.identity.address as never] });
  await until(() => holder.held.size === 1, 'the assignment');
  const held = [...holder.held.values()][0] as Assignment;
  let id = 0;
  let seq = 0;
  for (let done = 0; done < lateReports; done += 100) {
    const items = Array.from({ length: 100 }, (_, i): ReportItem => {
      id += 1;
      // A stolen nonce does not help: the attempt is not on the node of the thief.
      const task = i % 2 === 0 && (i === 0 || i % 3 > 0) ? held.task : (`${someJob}.${i}` as TaskId);
      if (i % 3 > 0) return { kind: 'progress', id, task, attempt: 1 + (i % 5), stage: 'running', atMs: 1 };
      return { kind: 'finished', id, receipt: receiptOf(identity.node, task, held.nonce) };
    });
    seq += 1;
    const acked = () => thief.frames.some((frame) => frame.type === 'ack' && frame.report === id);
    thief.send({ type: 'report', seq, ack: 0, items, signature: signItems(items, thief.key) });
    await until(acked, 'the acknowledgement');
  }
  const unknown = (rig.gateway.refusals.get('attempt.unknown') ?? 0) - before;
  sent.set('reports of strange attempts', lateReports);
  answers.set('reports of strange attempts → attempt.unknown', unknown);
  expect(unknown).toBe(lateReports);
  expect(rig.sequencer.state.tasks.get(held.task)?.state).toBe('assigned');
  holder.finish(held);
  await until(() => holder.acked === 1, 'the end that its holder reports');
  thief.socket.terminate();
  holder.close();
});

test('all the while one session worked on, and nothing is left behind', async () => {
  stopWork();
  const total = [...sent.values()].reduce((sum, each) => sum + each, 0);
  console.log(`${total} bad frames, by kind and answer:`);
  for (const [answer, times] of [...answers].sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`${String(times).padStart(6)}  ${answer}`);
  console.log('refusals counted by the gateway:', Object.fromEntries(rig.gateway.refusals));
  expect(total).toBeGreaterThanOrEqual(strangers + members + lateReports);
  await until(() => honest.acked === submitted, 'the last of its work');
  console.log(`${honest.acked} tasks of the honest session were done meanwhile`);
  expect(honest.acked).toBeGreaterThan(50);
  expect(honest.refusal).toBeUndefined();
  expect(honest.isConnected).toBe(true);
  expect(rig.fatal).toEqual([]);
  await until(() => rig.gateway.unauthenticated === 0, 'the end of every handshake');
  await until(() => rig.gateway.sessions <= 2, 'the end of every other session');
  const grownMiB = (heapUsed() - heapBefore) / 2 ** 20;
  console.log(`heap grew by ${grownMiB.toFixed(1)} MiB`);
  expect(grownMiB).toBeLessThan(64);
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
});
