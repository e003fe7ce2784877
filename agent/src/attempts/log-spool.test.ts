import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogSpool } from './log-spool.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-spool-'));
  file = join(dir, 'logs', 'a.log');
});
afterEach(() => rmSync(dir, { recursive: true }));

test('keeps what fits to the byte, marks the rest once, and knows that after a restart', async () => {
  const spool = await LogSpool.open(file, 10);
  await spool.append(Buffer.from('0123456'));
  await spool.append(Buffer.from('789'));
  expect([spool.sizeBytes, spool.truncated]).toEqual([10, false]);
  await spool.append(Buffer.from('more'));
  expect(spool.truncated).toBe(true);
  const sizeBytes = spool.sizeBytes;
  for (let i = 0; i < 100; i++) await spool.append(Buffer.alloc(1000));
  expect(spool.sizeBytes).toBe(sizeBytes);
  await spool.close();
  expect(readFileSync(file, 'utf8')).toBe(
    '0123456789\n[capacloud: the log is longer than allowed; the rest was dropped]\n',
  );
  const again = await LogSpool.open(file, 10);
  expect([again.truncated, again.takenBytes, again.sizeBytes]).toEqual([true, 10, sizeBytes]);
  await again.append(Buffer.from('x'));
  expect(again.sizeBytes).toBe(sizeBytes);
  await again.close();
});

test('one chunk across the limit is cut there', async () => {
  const spool = await LogSpool.open(file, 4);
  await spool.append(Buffer.from('abcdefgh'));
  expect((await spool.read(0, 5)).toString()).toBe('abcd\n');
  expect((await spool.read(spool.sizeBytes, 100)).length).toBe(0);
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
