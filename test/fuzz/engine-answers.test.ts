import { engineTimeMs, keeperOutlived } from '@capacloud/agent/container/attempt-inspection';
import { cgroupFiles, countOf } from '@capacloud/agent/container/cgroup-evidence';
import { readKernelRecord } from '@capacloud/agent/container/kernel-log';
import { keyOfLabels, keyOfName } from '@capacloud/agent/engine/attempt-names';
import { isPlainPath } from '@capacloud/agent/engine/engine-client';
import { readEngineEvents } from '@capacloud/agent/engine/engine-events';
import { LogFrames } from '@capacloud/agent/features/logs/log-frames';
import {
  formatLogPosition,
  LogCursor,
  parseLogPosition,
  sinceOf,
} from '@capacloud/agent/features/logs/log-position';
import { readLoadLines } from '@capacloud/agent/images/load-lines';
import { parseEvents } from '@capacloud/client/sse';
import { parseRange } from '@capacloud/coordinator/api/byte-range';
import { cursorOf } from '@capacloud/coordinator/store/page-cursor';
import type { NodeId } from '@capacloud/protocol/ids';
import { imageReferenceText, parseImageReference } from '@capacloud/protocol/job/image-reference';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { holds } from './fuzz-run.ts';
import { oddTexts, spoiled, torn } from './odd-values.ts';

/** The bytes in pieces, as a socket gives them. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b);
  return [...places, bytes.length].map((end, index) => bytes.subarray(places[index - 1] ?? 0, end));
}
async function* stream(parts: readonly Buffer[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield await Promise.resolve(part);
}
const cuts = fc.array(fc.nat(), { maxLength: 12 });
const anyBytes = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

const stamp = fc
  .tuple(fc.integer({ min: 0, max: 4_000_000_000 }), fc.nat({ max: 999_999_999 }))
  .map(([s, ns]) => `${new Date(s * 1000).toISOString().slice(0, 19)}.${String(ns).padStart(9, '0')}Z`);
const message = fc.record({ kind: fc.constantFrom(1, 2), stamp, payload: fc.uint8Array({ maxLength: 60 }) });

function encodeMessage({
  kind,
  stamp: time,
  payload,
}: {
  kind: number;
  stamp: string;
  payload: Uint8Array;
}): Buffer {
  const body = Buffer.concat([Buffer.from(`${time} `), payload]);
  const header = Buffer.alloc(8);
  header.writeUInt8(kind, 0);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}

test('log frames: the same text however the bytes are cut, and nothing is held back', async () => {
  await holds(fc.tuple(fc.array(message, { maxLength: 12 }), cuts), 1000, ([messages, places]) => {
    const frames = new LogFrames();
    const parts = pieces(Buffer.concat(messages.map(encodeMessage)), places).flatMap((part) =>
      frames.take(part),
    );
    const text = (stream: string) =>
      Buffer.concat(parts.filter((piece) => piece.stream === stream).map(({ bytes }) => bytes));
    for (const [kind, name] of [
      [1, 'stdout'],
      [2, 'stderr'],
    ] as const) {
      const sent = Buffer.concat(messages.filter((item) => item.kind === kind).map(({ payload }) => payload));
      expect(text(name)).toEqual(sent);
    }
  });
});

test('log frames: what is none ends in an error of ours and no more than a header is held', async () => {
  const spoiledLog = fc
    .tuple(fc.array(message, { maxLength: 4 }), anyBytes, fc.nat())
    .map(([messages, wrong, place]) => {
      const sound = Buffer.concat(messages.map(encodeMessage));
      const at = place % (sound.length + 1);
      return Buffer.concat([sound.subarray(0, at), wrong, sound.subarray(at)]);
    });
  await holds(fc.tuple(spoiledLog, cuts), 1500, ([bytes, places]) => {
    const frames = new LogFrames();
    try {
      for (const part of pieces(bytes, places))
        for (const piece of frames.take(part)) expect(piece.bytes.length).toBeLessThanOrEqual(bytes.length);
    } catch (error) {
      expect((error as Error).message).toMatch(/^the engine/);
    }
  });
});

test('log positions: read back as written, and no cursor goes below zero', async () => {
  const position = fc.record({
    anchor: fc.oneof(stamp, fc.constant('')),
    bytesSinceAnchor: fc.nat(),
    totalBytes: fc.nat(),
    newest: fc.oneof(stamp, fc.constant('')),
  });
  await holds(position, 300, (value) => {
    expect(parseLogPosition(formatLogPosition(value))).toEqual(value);
    expect(sinceOf(value)).toMatch(/^[0-9]+(\.[0-9]{9})?$/);
  });
  await holds(
    fc.oneof(torn(position.map(formatLogPosition)), fc.string({ unit: 'binary' })),
    1000,
    (text) => {
      const parsed = parseLogPosition(text);
      if (parsed === undefined) return;
      expect(sinceOf(parsed)).not.toContain('NaN');
      const cursor = new LogCursor(parsed, parsed.totalBytes);
      const fresh = cursor.take('2026-01-01T00:00:00.000000000Z', Buffer.from('hello'));
      expect(fresh.length).toBeLessThanOrEqual(5);
    },
  );
});

const loadLine = fc.record(
  {
    error: fc.constantFrom('no space left on device', '', 7, null),
    stream: fc.constantFrom('Loaded image: busybox', '__proto__'),
  },
  { requiredKeys: [] },
);

test('messages of an engine that takes an image: errors as text, or none', async () => {
  const lines = fc.array(
    fc.oneof(
      loadLine.map((line) => JSON.stringify(line)),
      torn(loadLine.map((line) => JSON.stringify(line))),
      fc.constantFrom(...oddTexts),
    ),
    { maxLength: 12 },
  );
  await holds(fc.tuple(lines, cuts), 800, async ([texts, places]) => {
    for await (const { error } of readLoadLines(stream(pieces(Buffer.from(texts.join('\n')), places))))
      expect(error === undefined || typeof error === 'string').toBe(true);
  });
});

test('engine events: actions or nothing', async () => {
  const event = fc.record({
    Action: fc.constantFrom('oom', 'kill', 'die'),
    Actor: fc.record({ Attributes: fc.record({ signal: fc.constantFrom('9', '1') }) }),
  });
  const line = fc.oneof(event, spoiled(event)).map((value) => JSON.stringify(value) ?? '');
  await holds(
    fc.tuple(fc.array(fc.oneof(line, torn(line), fc.constantFrom(...oddTexts)), { maxLength: 8 }), cuts),
    800,
    async ([lines, places]) => {
      for (const action of await readEngineEvents(stream(pieces(Buffer.from(lines.join('\n')), places))))
        expect(typeof action).toBe('string');
    },
  );
});

test('names, labels, times and images: an attempt or nothing', async () => {
  const task = `job_${'a'.repeat(20)}.7`;
  const name = fc.constantFrom(`cc-${task}-3-out0`, `cc-${task}-3-in12`);
  await holds(fc.oneof(name, torn(name)), 1000, (text) => {
    const key = keyOfName(text);
    if (key !== undefined) expect(text.startsWith(`cc-${key.task}-${key.attempt}-`)).toBe(true);
  });
  const owner = { node: `node_${'1'.repeat(40)}` as NodeId, coordinator: 'test' };
  const labels = fc.record({
    'io.capacloud.node': fc.constant(owner.node),
    'io.capacloud.task': fc.constant(task),
  });
  await holds(fc.oneof(spoiled(labels), fc.constantFrom(null, undefined)), 300, (value) => {
    const key = keyOfLabels(owner, value as Parameters<typeof keyOfLabels>[1]);
    expect(key === undefined || key.attempt > 0).toBe(true);
  });
  await holds(fc.oneof(torn(stamp), fc.string({ unit: 'binary' })), 500, (text) => {
    const ms = engineTimeMs(text);
    expect(ms === undefined || (Number.isFinite(ms) && ms > 0)).toBe(true);
    const state = { State: { Running: true, StartedAt: text } } as unknown as Parameters<
      typeof keeperOutlived
    >[1];
    expect(typeof keeperOutlived(state, state)).toBe('boolean');
  });
});

test('image references: one place in the registry, or words', async () => {
  const image = fc.constantFrom('busybox', 'a.example:5000/b/c:tag', `x@sha256:${'0'.repeat(64)}`);
  await holds(fc.oneof(image, torn(image), fc.string({ unit: 'binary' })), 1500, (text) => {
    const parsed = parseImageReference(text);
    if (!parsed.ok) {
      expect(parsed.refusal).not.toBe('');
      return;
    }
    const meant = imageReferenceText(parsed.value);
    const again = parseImageReference(meant);
    expect(again.ok && imageReferenceText(again.value)).toBe(meant);
    expect(isPlainPath(`/images/${encodeURIComponent(meant)}/json`)).toBe(true);
  });
});

test('cgroup files and kernel records: never a path outside the cgroups', async () => {
  const id = 'f'.repeat(64);
  const text = fc.constantFrom(
    `0::/system.slice/docker-${id}.scope\n`,
    `12:pids:/docker/${id}\n11:memory:/docker/${id}\n`,
  );
  await holds(fc.oneof(text, torn(text)), 1000, (content) => {
    const files = cgroupFiles(content, id);
    if (files !== undefined) expect(files.pidsEvents.startsWith('/sys/fs/cgroup')).toBe(true);
    expect(countOf(content, 'oom_kill')).toBeGreaterThanOrEqual(0);
    expect(typeof readKernelRecord(content, id).oomKilled).toBe('boolean');
  });
});

test('byte ranges and cursors: inside, or refused', async () => {
  const range = fc.constantFrom(
    'bytes=0-9',
    'bytes=-5',
    'bytes=9007199254740993-',
    'bytes=0-99999999999999999',
  );
  await holds(fc.tuple(fc.oneof(range, torn(range)), fc.nat()), 2000, ([header, sizeBytes]) => {
    const found = parseRange(header, sizeBytes);
    if (typeof found !== 'object') return;
    expect(found.start).toBeGreaterThanOrEqual(0);
    expect(found.end).toBeGreaterThanOrEqual(found.start);
    expect(found.end).toBeLessThan(sizeBytes);
  });
  await holds(
    fc.oneof(fc.string({ unit: 'binary' }), fc.nat().map(String), torn(fc.constant('9007199254740993'))),
    500,
    (cursor) => {
      const place = cursorOf({ cursor, limit: 1 }, 0);
      expect(place === undefined || `${place}` === cursor).toBe(true);
    },
  );
});

test('event streams: the same events however the bytes are cut', async () => {
  const text = fc.string({
    unit: fc.constantFrom('a', ':', ' ', '\n', '\r', '💥', 'é', '\n\n', 'data:', 'event:', 'id:'),
    maxLength: 200,
  });
  const read = async (parts: readonly Buffer[]) => {
    const events: unknown[] = [];
    for await (const event of parseEvents(stream(parts))) events.push(event);
    return events;
  };
  await holds(fc.tuple(text, cuts), 800, async ([body, places]) => {
    const bytes = Buffer.from(body);
    expect(await read(pieces(bytes, places))).toEqual(await read([bytes]));
  });
});
