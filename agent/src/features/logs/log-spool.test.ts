import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogSpool } from './log-spool.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-spool-'));
  file = join(dir, 'logs', 'a.log');
});
afterEach(() => rmSync(dir, { recursive: true }));

const limits = { headBytes: 8, tailBytes: 2 ** 20 };
/** Bytes of a stream by their offsets, so that one at a wrong place is seen. */
function streamBytes(from: number, to: number): Buffer {
  const bytes = Buffer.alloc(to - from);
  for (let at = from; at < to; at++) bytes[at - from] = (at * 7 + (at >> 8)) % 251;
  return bytes;
}
async function readAll(spool: LogSpool, from: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = from; at < spool.sizeBytes; ) {
    const part = await spool.read(at, 300_000);
    if (part === undefined) throw new Error(`byte ${at} is lost`);
    parts.push(part);
    at += part.length;
  }
  return Buffer.concat(parts);
}

test('keeps the beginning and the end to the byte, and knows the gap between them after a restart', async () => {
  const end = 5 * 2 ** 20 + 123;
  const spool = await LogSpool.open(file, limits);
  await spool.append(streamBytes(0, 5));
  expect(spool.gap).toBeUndefined();
  for (let at = 5; at < end; at += 70_001) await spool.append(streamBytes(at, Math.min(end, at + 70_001)));
  const gap = { from: 8, to: end - 2 ** 20 };
  expect([spool.sizeBytes, spool.gap]).toEqual([end, gap]);
  expect(await spool.read(0, 100)).toEqual(streamBytes(0, 8));
  expect(await spool.read(gap.to - 1, 100)).toBeUndefined();
  expect((await readAll(spool, gap.to)).equals(streamBytes(gap.to, end))).toBe(true);
  await spool.close();
  const again = await LogSpool.open(file, limits);
  expect([again.sizeBytes, again.gap]).toEqual([end, gap]);
  expect((await readAll(again, gap.to)).equals(streamBytes(gap.to, end))).toBe(true);
  await again.close();
  expect(statSync(`${file}.tail`).size).toBeLessThanOrEqual(2 * 2 ** 20 + 4096);
});

test('a write that was cut off is taken again, and has hurt nothing of what was noted', async () => {
  const end = 3 * 2 ** 20;
  const spool = await LogSpool.open(file, limits);
  await spool.append(streamBytes(0, end));
  await spool.close();
  const tail = openSync(`${file}.tail`, 'r+');
  // As a kill leaves it: bytes of what comes next are in the ring, and its length does not say so.
  const place = 4096 + (end % (2 * 2 ** 20));
  writeSync(tail, streamBytes(end, end + 2 ** 20), 0, 2 * 2 ** 20 - (end % (2 * 2 ** 20)), place);
  closeSync(tail);
  const again = await LogSpool.open(file, limits);
  expect(again.sizeBytes).toBe(end);
  expect((await readAll(again, end - 2 ** 20)).equals(streamBytes(end - 2 ** 20, end))).toBe(true);
  await again.append(streamBytes(end, end + 2 ** 20));
  expect((await readAll(again, end)).equals(streamBytes(end, end + 2 ** 20))).toBe(true);
  await again.close();
});

test('goes on with the file of an earlier release, without the line that it added', async () => {
  mkdirSync(dirname(file), { recursive: true });
  const limit = limits.headBytes + limits.tailBytes;
  writeFileSync(file, Buffer.concat([streamBytes(0, limit), Buffer.from('\n[capacloud: dropped]\n')]));
  const spool = await LogSpool.open(file, limits);
  expect([spool.sizeBytes, spool.gap]).toEqual([limit, undefined]);
  expect((await readAll(spool, 0)).equals(streamBytes(0, limit))).toBe(true);
  await spool.append(streamBytes(limit, limit + 5));
  expect(spool.gap).toEqual({ from: 8, to: 13 });
  await spool.close();
});

test('a reader is woken by more output, by the end, and by its signal', async () => {
  const spool = await LogSpool.open(file);
  const stop = new AbortController();
  const more = spool.grown(0, stop.signal);
  await spool.append(Buffer.from('a'));
  await more;
  const ended = spool.grown(1, stop.signal);
  const left = new AbortController();
  const leaving = spool.grown(1, left.signal);
  left.abort(new Error('left'));
  await expect(leaving).rejects.toThrow('left');
  spool.finish();
  await ended;
  await spool.close();
});
