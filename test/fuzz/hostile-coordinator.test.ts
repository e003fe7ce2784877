import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@capacloud/agent/core/clock';
import { Lease } from '@capacloud/agent/core/lease';
import type { SessionHost } from '@capacloud/agent/core/session-port';
import { openDatabase } from '@capacloud/agent/journal/schema';
import { SqliteJournal } from '@capacloud/agent/journal/sqlite-journal';
import { NodeIdentity } from '@capacloud/agent/session/identity';
import { SessionClient } from '@capacloud/agent/session/session-client';
import {
  AckFrameSchema,
  AssignFrameSchema,
  AssignmentSchema,
  ChallengeFrameSchema,
  RefusalFrameSchema,
  StopFrameSchema,
  WelcomeFrameSchema,
} from '@capacloud/protocol/wire/frames';
import { plainOffer } from '@capacloud/rig/network/agent-keys';
import { until } from '@capacloud/rig/network/gateway-rig';
import fc from 'fast-check';
import { pino } from 'pino';
import { Value } from 'typebox/value';
import { expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { holds } from './fuzz-run.ts';
import { oddTexts, spoiled, torn } from './odd-values.ts';
import { valuesOf } from './schema-values.ts';

const pauses = { backoffBaseMs: 1, backoffLimitMs: 5, supersededMs: 5, hopelessMs: 5 };
const nonce = `0x${'ab'.repeat(32)}`;
const soundChallenge = {
  type: 'challenge',
  protocols: [1],
  nonce,
  coordinator: 'test',
  chainId: 7,
  nowMs: Date.now(),
};
const soundWelcome = {
  type: 'welcome',
  protocol: 1,
  session: 1,
  heartbeatMs: 1000,
  leaseMs: 60_000,
  token: 'x',
  desired: [],
};

/** A number that follows, or one that does not; `ack` never above what was sent unless it is a lie. */
const numbered = (schema: object) =>
  fc
    .tuple(valuesOf(schema), fc.integer({ min: -1, max: 6 }))
    .map(([frame, slip]) => ({ ...(frame as object), slip: slip === -1 || slip > 4 ? slip : 0 }));
const sessionFrames = fc.oneof(
  numbered(AssignFrameSchema),
  numbered(StopFrameSchema),
  numbered(AckFrameSchema),
);
const anyFrames = fc.oneof(
  ...[ChallengeFrameSchema, WelcomeFrameSchema, RefusalFrameSchema, AssignFrameSchema, AckFrameSchema].map(
    valuesOf,
  ),
);
const words = fc.oneof(
  { weight: 6, arbitrary: sessionFrames.map((frame) => ({ kind: 'frame' as const, frame })) },
  {
    weight: 1,
    arbitrary: fc
      .oneof(anyFrames, spoiled(anyFrames))
      .map((value) => ({ kind: 'text' as const, text: JSON.stringify(value) ?? '' })),
  },
  {
    weight: 1,
    arbitrary: fc
      .oneof(torn(anyFrames.map((value) => JSON.stringify(value))), fc.constantFrom(...oddTexts))
      .map((text) => ({ kind: 'text' as const, text })),
  },
  {
    weight: 1,
    arbitrary: fc.uint8Array({ maxLength: 30 }).map((bytes) => ({ kind: 'bytes' as const, bytes })),
  },
);
const scripts = fc.record({
  challenge: fc.oneof(
    { weight: 6, arbitrary: fc.constant<unknown>(soundChallenge) },
    { weight: 1, arbitrary: spoiled(fc.constant(soundChallenge)) },
  ),
  welcome: fc.oneof(
    { weight: 6, arbitrary: fc.constant<unknown>(soundWelcome) },
    { weight: 1, arbitrary: spoiled(valuesOf(WelcomeFrameSchema)) },
  ),
  words: fc.array(words, { maxLength: 10 }),
  end: fc.constantFrom('close', 'cut', 'refuse'),
});
type Script = typeof scripts extends fc.Arbitrary<infer S> ? S : never;

function perform(socket: WebSocket, script: Script): void {
  socket.on('error', () => {});
  const say = (value: unknown) => socket.send(JSON.stringify(value) ?? 'null');
  say(script.challenge);
  let heard = 0;
  let seq = 0;
  const goOn = () => {
    say(script.welcome);
    for (const word of script.words) {
      if (word.kind === 'text') socket.send(word.text);
      else if (word.kind === 'bytes') socket.send(word.bytes, { binary: true });
      else {
        const { slip, ...frame } = word.frame;
        seq += 1;
        say({ ...frame, seq: seq + slip, ack: 0 });
      }
    }
    if (script.end === 'cut') setTimeout(() => socket.terminate(), 5);
    else if (script.end === 'close') socket.close(1000);
    else say({ type: 'refusal', code: 'constructor', message: 'no', hint: 'no' });
  };
  socket.on('message', () => {
    heard += 1;
    if (heard === 1) goOn();
  });
  // An agent that turns the challenge down closes by itself.
  setTimeout(() => socket.close(1000), 200).unref();
}

test('an agent survives whatever its coordinator says, and works with an honest one afterwards', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'capacloud-hostile-'));
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  let script: Script | undefined;
  let connections = 0;
  let ended = 0;
  let honest: WebSocket | undefined;
  server.on('connection', (socket) => {
    connections += 1;
    socket.on('close', () => {
      ended += 1;
    });
    if (script !== undefined) {
      perform(socket, script);
      script = undefined;
      return;
    }
    socket.on('error', () => {});
    socket.send(JSON.stringify(soundChallenge));
    socket.once('message', () => {
      socket.send(JSON.stringify({ ...soundWelcome, heartbeatMs: 20 }));
      honest = socket;
    });
  });
  const journal = new SqliteJournal(openDatabase(join(dir, 'journal.db')), 'test', 1);
  const clock: Clock = { nowMs: Date.now, bootMs: () => performance.now(), bootId: 'boot' };
  const lease = new Lease(undefined);
  const faults: unknown[] = [];
  const host: SessionHost = {
    node: () => ({ offer: plainOffer, accepting: true }),
    heldAttempts: () => [],
    load: () => ({ cpuMilli: 0, memoryFreeBytes: 0, diskFreeBytes: 0 }),
    pulls: () => [],
    onDesired: (attempts) => {
      if (!Array.isArray(attempts)) faults.push(attempts);
    },
    onAssign: (assignments) => {
      for (const assignment of assignments)
        if (!Value.Check(AssignmentSchema, assignment)) faults.push(assignment);
    },
    onStop: (attempts) => {
      for (const { attempt } of attempts) if (!Number.isSafeInteger(attempt)) faults.push(attempt);
    },
    onChange: () => {},
  };
  const client = new SessionClient({
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    coordinatorName: 'test',
    agentVersion: '0.0.0',
    identity: new NodeIdentity(`0x${'42'.repeat(32)}`),
    journal,
    lease,
    clock,
    log: pino({ level: 'silent' }),
    pauses,
  });
  const stop = new AbortController();
  const running = client.run(host, stop.signal);
  try {
    await holds(scripts, 60, async (drawn) => {
      honest?.terminate();
      const target = connections + 1;
      script = drawn;
      await until(() => script === undefined && connections >= target && ended >= target - 1, 'the agent');
    });
    await until(() => client.status().state === 'open', 'an honest session');
    expect(faults).toEqual([]);
  } finally {
    stop.abort();
    await running;
    for (const socket of server.clients) socket.terminate();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
