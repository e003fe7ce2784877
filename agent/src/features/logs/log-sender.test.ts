import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskId } from '@capacloud/protocol/ids';
import { keptOutputsProtocol } from '@capacloud/protocol/wire/protocol-versions';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type CoordinatorHttp, TransferRefused } from '../../transfer/coordinator-http.ts';
import { sendLog } from './log-sender.ts';
import { LogSpool } from './log-spool.ts';

const key = { task: `job_${'a'.repeat(20)}.0` as TaskId, attempt: 1 };
const signal = new AbortController().signal;
const limits = { headBytes: 10, tailBytes: 20 };

/** What a coordinator keeps of one log: the pieces by their offsets in the stream. */
class Receiver {
  head = '';
  tail = '';
  to: number | undefined;
  final = false;
  readonly queries: string[] = [];
  readonly protocol: () => Promise<number>;

  constructor(protocol: number = keptOutputsProtocol) {
    this.protocol = () => Promise.resolve(protocol);
  }

  readonly call = ({ path, body }: { path: string; body?: unknown }): Promise<object> => {
    const query = new URL(path, 'http://x').searchParams;
    this.queries.push(query.toString());
    const offset = Number(query.get('offset'));
    const bytes = Buffer.from(body as Uint8Array).toString();
    if (query.has('gap_from') && this.to === undefined) {
      this.head = this.head.slice(0, Number(query.get('gap_from')));
      this.to = offset;
    }
    const at = this.to === undefined ? this.head.length : this.to + this.tail.length;
    if (offset !== at)
      return Promise.reject(new TransferRefused(409, 'artifact.offset_mismatch', 'elsewhere', at));
    if (this.to === undefined) this.head += bytes;
    else this.tail += bytes;
    this.final ||= query.get('final') === 'true';
    return Promise.resolve({ offset: at + bytes.length });
  };

  get http(): CoordinatorHttp {
    return this as unknown as CoordinatorHttp;
  }
}

let dir: string;
let spool: LogSpool;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-sender-'));
  spool = await LogSpool.open(join(dir, 'a.log'), limits);
});
afterEach(async () => {
  await spool.close();
  rmSync(dir, { recursive: true });
});
const text = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => String.fromCharCode(97 + ((from + index) % 26))).join('');

test('sends the beginning at once, and the end behind its gap when it is known', async () => {
  const receiver = new Receiver();
  const sent = sendLog(receiver.http, key, spool, signal);
  await spool.append(Buffer.from(text(0, 12)));
  await vi.waitFor(() => expect(receiver.head).toBe(text(0, 12)));
  await spool.append(Buffer.from(text(12, 100)));
  spool.finish();
  expect(await sent).toBe(100);
  expect(receiver).toMatchObject({ head: text(0, 10), to: 80, tail: text(80, 100), final: true });
});

test.each([30, 31])(
  'a log of %i bytes, as much as is kept or a byte more, ends as it should',
  async (size) => {
    const receiver = new Receiver();
    await spool.append(Buffer.from(text(0, size)));
    spool.finish();
    expect(await sendLog(receiver.http, key, spool, signal)).toBe(size);
    expect(receiver.final).toBe(true);
    expect([receiver.head, receiver.tail]).toEqual(
      size === 30 ? [text(0, 30), ''] : [text(0, 10), text(11, 31)],
    );
  },
);

test('goes on in the middle of the end after a restart', async () => {
  const receiver = new Receiver();
  Object.assign(receiver, { head: text(0, 10), to: 80, tail: text(80, 85) });
  await spool.append(Buffer.from(text(0, 100)));
  spool.finish();
  expect(await sendLog(receiver.http, key, spool, signal)).toBe(100);
  expect(receiver).toMatchObject({ head: text(0, 10), tail: text(80, 100), final: true });
});

test('an older coordinator gets the log in one piece, and a line in place of the end', async () => {
  const receiver = new Receiver(keptOutputsProtocol - 1);
  await spool.append(Buffer.from(text(0, 100)));
  spool.finish();
  await sendLog(receiver.http, key, spool, signal);
  expect(receiver.head).toMatch(/^abcdefghij\n\[capacloud: the log is longer than allowed/);
  expect([receiver.final, receiver.queries.join()]).toEqual([true, expect.not.stringContaining('gap_from')]);
});
