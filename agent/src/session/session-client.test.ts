import { createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { TaskId } from '@capacloud/protocol/ids';
import { delegationDomain, delegationTypes } from '@capacloud/protocol/wire/delegation';
import {
  type AgentFrame,
  type Assignment,
  type HelloFrame,
  type ReportFrame,
  sessionProofMessage,
  wireLimits,
} from '@capacloud/protocol/wire/frames';
import { hashReceipt, type Receipt, receiptBatchMessage } from '@capacloud/protocol/wire/receipt';
import { receiptBatchRoot } from '@capacloud/protocol/wire/receipt-batch';
import { verifyTypedData } from 'ethers';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { newAttempt } from '../core/attempt-record.ts';
import type { Clock } from '../core/clock.ts';
import { Lease } from '../core/lease.ts';
import type { SessionHost } from '../core/session-port.ts';
import { openDatabase } from '../journal/schema.ts';
import { SqliteJournal } from '../journal/sqlite-journal.ts';
import { NodeIdentity } from './identity.ts';
import { SessionClient } from './session-client.ts';

const task = `job_${'a'.repeat(20)}.0` as TaskId;
const nonce = `0x${'ab'.repeat(32)}`;
const key = `0x${'42'.repeat(32)}`;
const pauses = { backoffBaseMs: 5, backoffLimitMs: 20, supersededMs: 1500, hopelessMs: 300 };

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (condition()) return;
    await sleep(10);
  }
  throw new Error(`never came true: ${what}`);
}

function receipt(attempt: number): Receipt {
  const { node } = new NodeIdentity(key);
  const log = { sizeBytes: 0, truncated: false };
  return {
    version: 1,
    node,
    task,
    attempt,
    nonce: '0'.repeat(32),
    reason: 'completed',
    exitCode: 0,
    oomKilled: false,
    outputs: [],
    log,
  };
}

function assignment(attempt: number): Assignment {
  return {
    task,
    attempt,
    nonce: '0'.repeat(32),
    image: 'busybox',
    env: {},
    resources: { cpuMilli: 100, memoryBytes: 1024, diskBytes: 0, shmBytes: 0 },
    devices: [],
    inputs: [],
    outputs: [],
    taskIndex: 0,
    taskCount: 1,
    pullTimeoutMs: 1000,
    startTimeoutMs: 1000,
    runTimeoutMs: 1000,
    uploadTimeoutMs: 1000,
    stopGraceMs: 100,
  };
}

/** One connection as the scripted coordinator sees it. */
class Peer {
  readonly socket: WebSocket;
  readonly frames: AgentFrame[] = [];
  hello: HelloFrame | undefined;
  closeCode: number | undefined;
  #seq = 0;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => {
      const frame = JSON.parse((data as Buffer).toString('utf8')) as AgentFrame;
      if (frame.type === 'hello') this.hello = frame;
      else this.frames.push(frame);
    });
    socket.on('close', (code) => {
      this.closeCode = code;
    });
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }
  next(frame: object, ack = this.frames.length, skip = 0): void {
    this.#seq += 1 + skip;
    this.send({ ...frame, seq: this.#seq, ack });
  }
  challenge(change: object = {}): void {
    this.send({
      type: 'challenge',
      protocols: [1],
      nonce,
      coordinator: 'test',
      chainId: 7,
      nowMs: Date.now(),
      ...change,
    });
  }
  async welcome(change: object = {}): Promise<void> {
    await until(() => this.hello !== undefined, 'hello');
    this.send({
      type: 'welcome',
      protocol: 1,
      session: 1,
      heartbeatMs: 30,
      leaseMs: 60_000,
      token: 'secret',
      desired: [],
      ...change,
    });
  }
  get reports(): readonly ReportFrame[] {
    return this.frames.filter((frame) => frame.type === 'report');
  }
}

describe('a session', () => {
  let dir: string;
  let server: WebSocketServer;
  let journal: SqliteJournal;
  let lease: Lease;
  let client: SessionClient;
  let stop: AbortController;
  let running: Promise<void>;
  let bootMs: number;
  const peers: Peer[] = [];
  const calls: string[] = [];
  let onPeer: (peer: Peer, index: number) => void;
  const clock: Clock = { nowMs: () => Date.now(), bootMs: () => bootMs, bootId: 'boot' };
  const plainOffer: Offer = {
    cpuMilli: 1000,
    memoryBytes: 1,
    diskBytes: 1,
    slots: 1,
    devices: [],
    arch: 'amd64',
    allowRoot: false,
    ask: { cpuHourNano: '1', memoryGibHourNano: '1', diskGibHourNano: '1', deviceHourNano: '1' },
  };
  let offer = plainOffer;
  let accepting: boolean;
  const host: SessionHost = {
    node: () => ({ offer, accepting }),
    heldAttempts: () => journal.attempts().map((record) => ({ ...record.key })),
    load: () => ({ cpuMilli: 1, memoryFreeBytes: 2, diskFreeBytes: 3 }),
    pulls: () => [],
    onDesired: (attempts) => calls.push(`desired ${attempts.length}`),
    onAssign: (assignments) => calls.push(...assignments.map((entry) => `assign ${entry.attempt}`)),
    onStop: (attempts) => calls.push(...attempts.map((entry) => `stop ${entry.attempt}`)),
    onChange: () => calls.push('change'),
  };

  async function peer(index: number): Promise<Peer> {
    await until(() => peers.length > index, `connection ${index}`);
    return peers[index] as Peer;
  }

  function connect(options: { coordinatorName?: string } = {}): void {
    const { port } = server.address() as AddressInfo;
    client = new SessionClient({
      url: `ws://127.0.0.1:${port}/v1/session`,
      agentVersion: '1.0',
      identity: new NodeIdentity(key),
      journal,
      lease,
      clock,
      log: pino({ level: 'silent' }),
      pauses,
      ...options,
    });
    running = client.run(host, stop.signal);
  }

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'capacloud-session-'));
    journal = new SqliteJournal(openDatabase(join(dir, 'journal.db')), 'test', 100);
    lease = new Lease(undefined);
    stop = new AbortController();
    bootMs = 1000;
    accepting = true;
    peers.length = 0;
    calls.length = 0;
    onPeer = (found) => found.challenge();
    server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    server.on('connection', (socket) => {
      const found = new Peer(socket);
      peers.push(found);
      onPeer(found, peers.length - 1);
    });
  });
  afterEach(async () => {
    stop.abort();
    await running;
    for (const socket of server.clients) socket.terminate();
    server.close();
    journal.close();
    rmSync(dir, { recursive: true });
  });

  test('proves both keys, and binds them to the nonce and the coordinator', async () => {
    journal.save(newAttempt(assignment(3), 0));
    connect();
    const first = await peer(0);
    await first.welcome();
    const hello = first.hello as HelloFrame;
    const { delegation } = hello;
    expect(
      verifyTypedData(delegationDomain(7), delegationTypes, delegation, hello.signature).toLowerCase(),
    ).toBe(delegation.node);
    expect(delegation).toMatchObject({ nonce, coordinator: 'test', provider: delegation.node });
    const x = Buffer.from(delegation.sessionKey.slice(2), 'hex').toString('base64url');
    const sessionKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    expect(
      verify(null, Buffer.from(sessionProofMessage(nonce)), sessionKey, Buffer.from(hello.proof, 'base64')),
    ).toBe(true);
    expect(hello.attempts).toEqual([{ task, attempt: 3 }]);
    await until(() => client.token() === 'secret', 'open');
    expect(client.status()).toMatchObject({ state: 'open', coordinator: 'test' });
    expect(journal.coordinatorName()).toBe('test');
  });

  test('an error of the agent itself in a handler or a timer ends the session and nothing else', async () => {
    connect();
    const first = await peer(0);
    await first.welcome();
    await until(() => client.token() === 'secret', 'open');
    const onStop = vi.spyOn(host, 'onStop').mockImplementation(() => {
      throw new Error('a fault of the agent');
    });
    first.send({ type: 'stop', attempts: [{ task, attempt: 1 }] });
    const second = await peer(1);
    onStop.mockRestore();
    const load = vi.spyOn(host, 'load').mockImplementation(() => {
      throw new Error('a fault of the agent');
    });
    await second.welcome();
    const third = await peer(2);
    load.mockRestore();
    await third.welcome();
    await until(() => client.token() === 'secret', 'open again');
  });

  test('numbers its frames, beats, and sends reports signed until they are acknowledged, also in a new session', async () => {
    journal.append([{ kind: 'progress', task, attempt: 1, stage: 'pulling', atMs: 5 }]);
    journal.append([
      { kind: 'finished', receipt: receipt(1) },
      { kind: 'finished', receipt: receipt(2) },
    ]);
    connect();
    const first = await peer(0);
    await first.welcome();
    await until(() => first.reports.length > 0 && first.frames.length > 3, 'reports and heartbeats');
    expect(first.frames.map((frame) => 'seq' in frame && frame.seq)).toEqual(
      first.frames.map((_, index) => index + 1),
    );
    const report = first.reports[0] as ReportFrame;
    expect(report.items.map((item) => item.id)).toEqual([101, 102, 103]);
    const { delegation } = first.hello as HelloFrame;
    const x = Buffer.from(delegation.sessionKey.slice(2), 'hex').toString('base64url');
    const sessionKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    const root = receiptBatchRoot([receipt(1), receipt(2)].map(hashReceipt));
    expect(
      verify(null, receiptBatchMessage(root), sessionKey, Buffer.from(report.signature ?? '', 'base64')),
    ).toBe(true);
    first.next({ type: 'ack', report: 101, heartbeat: 0 });
    await until(() => journal.outboxSize() === 2, 'acknowledged');
    first.socket.terminate();
    const second = await peer(1);
    await second.welcome();
    await until(() => second.reports.length > 0, 'sent again');
    expect(second.reports[0]?.items.map((item) => item.id)).toEqual([102, 103]);
    second.next({ type: 'ack', report: 103, heartbeat: 0 });
    await until(() => journal.outboxSize() === 0, 'all acknowledged');
  });

  test('resumes with the key of its last session until that is refused or too old', async () => {
    onPeer = (found) => found.challenge({ protocols: [2, 1], nonce: `0x${`${peers.length}`.repeat(64)}` });
    connect();
    const keyOf = async (index: number) => {
      const found = await peer(index);
      await until(() => found.hello !== undefined, 'hello');
      const { delegation, proof } = found.hello as HelloFrame;
      const x = Buffer.from(delegation.sessionKey.slice(2), 'hex').toString('base64url');
      const sessionKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
      const message = Buffer.from(sessionProofMessage(`0x${`${index + 1}`.repeat(64)}`));
      expect(verify(null, message, sessionKey, Buffer.from(proof, 'base64'))).toBe(true);
      return delegation.sessionKey;
    };
    const leave = async (index: number) => {
      await peers[index]?.welcome();
      await until(() => client.status().state === 'open', 'open');
      peers[index]?.socket.terminate();
    };
    const first = await keyOf(0);
    await leave(0);
    expect(await keyOf(1)).toBe(first);
    // Not welcomed, and told why: the next hello brings a new key.
    peers[1]?.send({ type: 'refusal', code: 'session.resumption_refused', message: 'no', hint: 'no' });
    peers[1]?.socket.close(4412);
    const second = await keyOf(2);
    expect(second).not.toBe(first);
    // A restart says nothing about the key.
    await peers[2]?.welcome();
    await until(() => client.status().state === 'open', 'open');
    peers[2]?.send({ type: 'refusal', code: 'session.draining', message: 'no', hint: 'no' });
    peers[2]?.socket.close(1012);
    expect(await keyOf(3)).toBe(second);
    await peers[3]?.welcome();
    await until(() => client.status().state === 'open', 'open');
    bootMs += 23 * 3_600_000;
    expect(await keyOf(4)).not.toBe(second);
    // One of an older release knows nothing of resuming.
    onPeer = (found) => found.challenge({ nonce: `0x${`${peers.length}`.repeat(64)}` });
    const third = await keyOf(4);
    await leave(4);
    expect(await keyOf(5)).not.toBe(third);
  });

  // REPORT-1
  test('an acknowledgement of more than was sent erases nothing that was not', async () => {
    connect();
    const first = await peer(0);
    await first.welcome();
    await until(() => first.frames.length > 0, 'heartbeat');
    first.next({ type: 'ack', report: 1_000_000, heartbeat: 1 });
    await until(
      () => first.frames.some((frame) => 'ack' in frame && frame.ack === 1),
      'the acknowledgement was heard',
    );
    journal.append([{ kind: 'finished', receipt: receipt(1) }]);
    client.notify();
    await until(() => first.reports.length === 1, 'sent');
    expect(journal.outboxSize()).toBe(1);
  });

  test('keeps every report frame within the limits of the wire', async () => {
    const items = Array.from({ length: 600 }, (_, index) => ({
      kind: 'finished' as const,
      receipt: { ...receipt(index + 1), message: 'm'.repeat(500) },
    }));
    journal.append(items);
    connect();
    const first = await peer(0);
    await first.welcome();
    await until(() => first.reports.flatMap((frame) => frame.items).length === 600, 'all reports');
    for (const report of first.reports) {
      expect(report.items.length).toBeLessThanOrEqual(wireLimits.itemsPerReport);
      expect(Buffer.byteLength(JSON.stringify(report))).toBeLessThanOrEqual(wireLimits.frameBytes);
    }
  });

  test('tells what changed between hello and welcome', async () => {
    accepting = false;
    connect();
    const first = await peer(0);
    await until(() => first.hello !== undefined, 'hello');
    accepting = true;
    await first.welcome();
    await until(() => first.frames.some((frame) => frame.type === 'offer'), 'offer');
    expect(first.hello?.accepting).toBe(false);
    expect(first.frames.find((frame) => frame.type === 'offer')).toMatchObject({ accepting: true });
  });

  test('sends an older coordinator nothing that it would refuse', async () => {
    const device = {
      id: 'GPU-1',
      vendor: 'nvidia',
      model: 'h100',
      memoryBytes: 1,
      health: 'healthy',
    } as const;
    offer = { ...plainOffer, devices: [{ ...device, fabric: 'degraded' }] };
    const skipped = { total: 1, first: [{ path: '/out/pipe', why: 'special' as const }] };
    journal.append([{ kind: 'finished', receipt: { ...receipt(1), skipped } }]);
    connect();
    const first = await peer(0);
    await first.welcome();
    accepting = !accepting;
    client.notify();
    await until(() => first.frames.some(({ type }) => type === 'offer') && first.reports.length > 0, 'both');
    offer = plainOffer;
    expect(first.hello?.offer.devices).toEqual([device]);
    expect(first.frames.find((frame) => frame.type === 'offer')).toMatchObject({
      offer: { devices: [device] },
    });
    const text = JSON.stringify(first.frames);
    expect(text).not.toContain('fabric');
    expect(text).not.toContain('skipped');
  });

  test('hands over what the coordinator wants, and tells when the offer changes', async () => {
    connect();
    const first = await peer(0);
    await first.welcome({ desired: [{ task, attempt: 9 }] });
    first.next({ type: 'assign', assignments: [assignment(1), assignment(2)] }, 0);
    first.next({ type: 'stop', attempts: [{ task, attempt: 1 }] }, 0);
    await until(() => calls.includes('stop 1'), 'stop');
    expect(calls.filter((call) => call !== 'change')).toEqual([
      'desired 1',
      'assign 1',
      'assign 2',
      'stop 1',
    ]);
    accepting = false;
    client.notify();
    await until(() => first.frames.some((frame) => frame.type === 'offer'), 'offer');
    expect(first.frames.find((frame) => frame.type === 'offer')).toMatchObject({ accepting: false });
  });

  test.each([
    [
      'a number is skipped',
      (found: Peer) => found.next({ type: 'ack', report: 0, heartbeat: 0 }, 0, 1),
      4412,
    ],
    [
      'a frame is repeated',
      (found: Peer) => {
        found.send({ type: 'ack', report: 0, heartbeat: 0, seq: 1, ack: 0 });
        found.send({ type: 'ack', report: 0, heartbeat: 0, seq: 1, ack: 0 });
      },
      4412,
    ],
    [
      'what was never sent is acknowledged',
      (found: Peer) => found.next({ type: 'ack', report: 0, heartbeat: 0 }, 9999),
      4412,
    ],
    ['a frame is not JSON', (found: Peer) => found.socket.send('{'), 4400],
    [
      'a frame has an unknown field',
      (found: Peer) => found.next({ type: 'ack', report: 0, heartbeat: 0, more: 1 }, 0),
      4400,
    ],
    ['a second welcome comes', (found: Peer) => found.welcome(), 4400],
  ])('closes and connects again when %s', async (_, act, code) => {
    connect();
    const first = await peer(0);
    await first.welcome();
    await until(() => client.status().state === 'open', 'open');
    await Promise.resolve(act(first));
    await until(() => first.closeCode !== undefined, 'closed');
    expect(first.closeCode).toBe(code);
    await (await peer(1)).welcome();
    await until(() => client.status().state === 'open', 'open again');
  });

  test('a frame over the limit ends the connection', async () => {
    connect();
    const first = await peer(0);
    await first.welcome();
    first.socket.send(' '.repeat(wireLimits.frameBytes + 1));
    await until(() => first.closeCode !== undefined, 'closed');
    expect(first.closeCode).toBe(1009);
  });

  // LEASE-2
  test('the lease runs from when a heartbeat was sent, not from when it was acknowledged', async () => {
    connect();
    const first = await peer(0);
    bootMs = 2000;
    await first.welcome();
    await until(() => first.frames.length > 0, 'heartbeat 1');
    bootMs = 7000;
    first.next({ type: 'ack', report: 0, heartbeat: 1 });
    await until(() => calls.length > 0 && client.status().state === 'open', 'open');
    await until(() => first.frames.length > 2, 'more heartbeats');
    expect(lease.untilMs).toBeLessThan(7000 + 60_000);
    expect(lease.untilMs).toBeGreaterThanOrEqual(1000 + 60_000);
    const sent = first.frames.findLast((frame) => frame.type === 'heartbeat');
    first.next({ type: 'ack', report: 0, heartbeat: sent?.type === 'heartbeat' ? sent.n : 0 });
    await until(() => lease.untilMs === 67_000, 'extended');
    expect(lease.hasLapsed(66_999)).toBe(false);
    expect(lease.hasLapsed(67_000)).toBe(true);
  });

  test('a coordinator that falls silent is left', async () => {
    connect();
    const first = await peer(0);
    await first.welcome();
    await until(() => first.frames.length > 0, 'heartbeat');
    bootMs += 1_000_000;
    await until(() => first.closeCode === 4408, 'closed for silence');
    await peer(1);
  });

  test('stands back when another agent with its key took over', async () => {
    connect();
    const first = await peer(0);
    await first.welcome();
    first.send({ type: 'refusal', code: 'session.superseded', message: 'newer session', hint: 'stop one' });
    first.socket.close(4410);
    await until(() => client.status().state === 'superseded', 'superseded');
    expect(client.status().lastRefusal).toEqual({
      code: 'session.superseded',
      message: 'newer session',
      hint: 'stop one',
    });
    expect(peers).toHaveLength(1);
    await peer(1);
  });

  test('without a common protocol version it says so', async () => {
    onPeer = (found) => found.challenge({ protocols: [99] });
    connect();
    const first = await peer(0);
    await until(() => first.closeCode === 4426, 'closed');
    await until(() => client.status().lastRefusal?.code === 'session.protocol_unsupported', 'refusal');
  });

  test('signs nothing for a coordinator that changed its name, unless the owner accepts the name', async () => {
    journal.saveCoordinatorName('known');
    connect();
    const first = await peer(0);
    await until(() => first.closeCode !== undefined, 'closed');
    expect(first.hello).toBeUndefined();
    expect(client.status().lastRefusal?.message).toContain('not known');
    stop.abort();
    await running;
    stop = new AbortController();
    connect({ coordinatorName: 'test' });
    await (await peer(1)).welcome();
    await until(() => journal.coordinatorName() === 'test', 'accepted');
  });

  test('goes on trying while nobody answers', async () => {
    onPeer = (found, index) => (index < 5 ? found.socket.terminate() : found.challenge());
    connect();
    await (await peer(5)).welcome();
    await until(() => client.status().state === 'open', 'open at last');
  });
});
