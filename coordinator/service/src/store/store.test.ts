import { spawnSync } from 'node:child_process';
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AccountId, Sha256Hex } from '@capacloud/protocol/ids';
import { encodeHex, encodeUtf8 } from '@capacloud/protocol/log/bytes';
import { leafHash } from '@capacloud/protocol/log/merkle';
import { MerkleFrontier } from '@capacloud/protocol/log/merkle-frontier';
import { rootAt } from '@capacloud/protocol/log/merkle-proofs';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { replay } from '../log/replay.ts';
import type { RowBatch } from '../ports/log.ts';
import { consumer, jobNamed, temporaryFolder, Workload } from '../testing/workload.ts';
import { databasePath } from './open-database.ts';
import { RowBuffer } from './row-buffer.ts';
import type { RowShapeName } from './row-shapes.ts';
import { openStore } from './store.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => {
  folder[Symbol.dispose]();
});

const forever = AbortSignal.any([]);

async function filled(tasks = 20): Promise<void> {
  const work = await Workload.open(folder.path);
  await work.prepare(3);
  work.follow();
  await Promise.all([work.submitJob(tasks), work.submitJob(1)]);
  await vi.waitFor(() => expect(work.sequencer.state.jobs.size).toBe(0), 15_000);
  await work.close();
}

/** Changes the file behind the coordinator's back. */
function tamper(sql: string, ...values: unknown[]): void {
  const database = new Database(databasePath(folder.path));
  database.prepare(sql).run(...values);
  database.close();
}

describe('a data folder that cannot be used', () => {
  it('is refused while another coordinator has it, in this process or another', async () => {
    const store = await openStore(folder.path);
    await expect(openStore(folder.path)).rejects.toMatchObject({ code: 'log.in_use' });
    const script = `import { openStore } from ${JSON.stringify(fileURLToPath(new URL('./store.ts', import.meta.url)))};
      try { await openStore(process.argv[1]); console.log('opened'); } catch (error) { console.log(error.code); }
      process.exit(0);`;
    const args = [
      '--conditions=@capacloud/source',
      '--input-type=module-typescript',
      '-e',
      script,
      folder.path,
    ];
    const other = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect(other.stdout).toBe('log.in_use\n');
    await store.close();
    await (await openStore(folder.path)).close();
  });

  it.each([
    [
      'a file that is no database',
      () => writeFileSync(databasePath(folder.path), 'hello, this is a text file\n'.repeat(50)),
    ],
    ['the database of another program', () => tamper('CREATE TABLE pictures (id INTEGER)')],
  ])('is refused for %s', async (_, make) => {
    make();
    await expect(openStore(folder.path)).rejects.toMatchObject({ code: 'log.foreign' });
    // The lock does not stay behind.
    await expect(openStore(folder.path)).rejects.toMatchObject({ code: 'log.foreign' });
  });

  it('is refused when a newer release wrote it', async () => {
    await filled();
    tamper('PRAGMA user_version = 99');
    await expect(openStore(folder.path)).rejects.toMatchObject({
      code: 'log.foreign',
      message: expect.stringContaining('format 99'),
    });
  });

  it('is refused when the log lacks entries', async () => {
    await filled();
    tamper('DELETE FROM log_groups WHERE first = 0');
    await expect(openStore(folder.path)).rejects.toMatchObject({ code: 'log.damaged' });
  });

  it.each([
    ['a letter of an entry', "UPDATE log_groups SET entries = replace(entries, 'acc_ada', 'acc_eve')"],
    ['a leaf hash', 'UPDATE log_groups SET hashes = zeroblob(length(hashes))'],
    [
      'a missing line',
      'UPDATE log_groups SET entries = substr(entries, instr(entries, char(10)) + 1) WHERE count > 1',
    ],
  ])('is found out by a replay over %s', async (_, sql) => {
    await filled();
    tamper(sql);
    const store = await openStore(folder.path).catch((error: unknown) => error);
    if (store instanceof Error) {
      expect(store).toMatchObject({ code: 'log.damaged' });
      return;
    }
    await expect(
      replay((store as Awaited<ReturnType<typeof openStore>>).log, [], forever),
    ).rejects.toMatchObject({
      code: 'log.damaged',
    });
    await (store as Awaited<ReturnType<typeof openStore>>).close();
  });
});

describe('one transaction a group', () => {
  const rows = (name: RowShapeName, ...values: Parameters<RowBuffer['add']>): RowBatch => {
    const buffer = new RowBuffer(name);
    buffer.add(...values);
    return buffer.take();
  };
  const entry = '{"type":"test"}';
  const paidTask = [7, 0, 9, 0, 1, 1, 1, 5, 5, 6, 0, 1];
  const lateReceipt = [1, 2, 1, 3];

  it('does not let a task be paid twice, and takes nothing of the group that tries', async () => {
    const store = await openStore(folder.path);
    const pay = (first: number) =>
      store.log.append(
        { first, lines: entry, count: 1, rows: [rows('tasks', paidTask, [1n])] },
        store.fencingEpoch,
      );
    await pay(0);
    await expect(pay(1)).rejects.toThrow('CHECK constraint failed: paid <= 1');
    expect(store.log.size()).toBe(1);
    // Whoever wrote that group is ahead of the log: it writes no more.
    await expect(
      store.log.append({ first: 1, lines: entry, count: 1, rows: [] }, store.fencingEpoch),
    ).rejects.toThrow('an earlier group failed');
    await store.close();
    const again = await openStore(folder.path);
    expect(again.log.size()).toBe(1);
    await again.close();
  });

  it.each([
    ['an overdrawn account', () => rows('accounts', [9, 0], [-1n, 0n], ['acc_ada'])],
    [
      'a text where a number belongs',
      () => ({ ...rows('lateReceipts', lateReceipt), numbers: Float64Array.of(1, 2, 1, 3.5) }),
    ],
    [
      'a statement that does not exist',
      () => ({ ...rows('lateReceipts', lateReceipt), statement: 'nonsense' }),
    ],
    ['rows that lack a column', () => ({ ...rows('lateReceipts', lateReceipt), rows: 2 })],
  ])('refuses %s', async (_, make) => {
    const store = await openStore(folder.path);
    await expect(
      store.log.append({ first: 0, lines: entry, count: 1, rows: [make()] }, store.fencingEpoch),
    ).rejects.toThrow('the write failed');
    expect(store.log.size()).toBe(0);
    await store.close();
  });

  it('refuses a gap, a wrong count and an old epoch', async () => {
    const store = await openStore(folder.path);
    const group = { first: 0, lines: entry, count: 1, rows: [] };
    await expect(store.log.append({ ...group, first: 1 }, store.fencingEpoch)).rejects.toThrow('begins at 1');
    await expect(store.log.append(group, store.fencingEpoch - 1)).rejects.toThrow('deposed');
    await store.close();
    const counted = await openStore(folder.path);
    await expect(counted.log.append({ ...group, count: 2 }, counted.fencingEpoch)).rejects.toThrow('holds 1');
    await counted.close();
  });

  it('keeps amounts of 64 bits exact, and refuses larger ones', async () => {
    const work = await Workload.open(folder.path);
    await work.prepare(0);
    const grant = (amountNano: bigint, ref: string) =>
      work.send({ type: 'account.credit', at: work.at, account: consumer, amountNano, ref });
    await grant(10n ** 18n - 1n, 'second');
    expect((await work.store.reads.getAccount(consumer))?.availableNano).toBe(10n ** 18n - 1n + 10n ** 15n);
    expect(() => new RowBuffer('accounts').add([1, 0], [2n ** 63n, 0n], ['x'])).toThrow('64 bits');
    await work.close();
  });
});

it('follows the log from any entry, across groups, until the signal aborts', async () => {
  const work = await Workload.open(folder.path);
  const stop = new AbortController();
  const seen: number[] = [];
  const following = (async () => {
    for await (const entries of work.store.log.follow(2, stop.signal)) {
      seen.push(...entries.map(({ index }) => index));
      if (seen.length > 5) stop.abort();
    }
  })();
  await work.prepare(2);
  for (let i = 0; i < 4; i++) await work.submitJob(1);
  await following;
  expect(seen.slice(0, 5)).toEqual([2, 3, 4, 5, 6]);
  await work.close();
});

it('reads any range of the log, whatever its groups', async () => {
  await filled(300);
  const store = await openStore(folder.path);
  const size = store.log.size();
  const all = await store.log.read(0, size);
  expect(all.map(({ index }) => index)).toEqual(all.map((_, index) => index));
  for (const from of [0, 1, 255, size - 1]) {
    expect(await store.log.read(from, 3)).toEqual(all.slice(from, from + 3));
  }
  expect(await store.log.read(size, 3)).toEqual([]);
  // The tree that is read from stored nodes is the tree of the entries, also where levels of stored nodes begin.
  expect(size).toBeGreaterThan(600);
  const frontier = new MerkleFrontier();
  for (const { index, entry } of all) {
    frontier.append(leafHash(encodeUtf8(entry)));
    if ([1, 2, 255, 256, 257, 511, 512, 513, size].includes(index + 1))
      expect(encodeHex(rootAt(index + 1, store.readSubtree))).toBe(encodeHex(frontier.root()));
  }
  await store.close();
});

describe('private rows', () => {
  it('are durable without an event', async () => {
    const work = await Workload.open(folder.path);
    await work.prepare(0);
    const key = {
      kind: 'api_key',
      hash: 'ab'.repeat(32) as Sha256Hex,
      id: 'key_a',
      account: consumer,
      scopes: 'consumer',
      name: 'ci',
      createdAt: 5,
    } as const;
    await work.sequencer.record([key]);
    expect(await work.store.reads.getApiKey(key.hash)).toEqual({
      id: 'key_a',
      account: consumer,
      name: 'ci',
      scopes: 'consumer',
      createdAt: 5,
    });
    await work.sequencer.record([{ kind: 'api_key_revoked', id: 'key_a', at: 9 }]);
    expect(await work.store.reads.getApiKey(key.hash)).toMatchObject({ revokedAt: 9 });
    expect(await work.store.reads.listApiKeys(consumer, { limit: 10 })).toEqual({ items: [], cursors: [] });
    expect(await work.store.reads.getApiKeyById('key_a')).toMatchObject({ revokedAt: 9 });
    await work.store.prune(10);
    expect(await work.store.reads.getApiKeyById('key_a')).toBeUndefined();
    expect(work.store.log.size()).toBe(3);
    await work.close();
  });

  it('come with the command that they belong to', async () => {
    const work = await Workload.open(folder.path);
    await work.prepare(0);
    const requestHash = 'cd'.repeat(32) as Sha256Hex;
    const row = {
      kind: 'idempotency',
      account: consumer,
      key: 'k',
      requestHash,
      status: 201,
      body: '{}',
      at: 7,
    } as const;
    const submit = (funds: bigint) =>
      work.sequencer.submit(
        { type: 'account.credit', at: 7, account: consumer, amountNano: funds, ref: 'k' },
        () => [row],
      );
    expect(await submit(-1n)).toMatchObject({ ok: false });
    expect(await work.store.reads.getIdempotency(consumer, 'k')).toBeUndefined();
    expect(await submit(5n)).toMatchObject({ ok: true });
    expect(await work.store.reads.getIdempotency(consumer, 'k')).toEqual({
      requestHash,
      status: 201,
      body: '{}',
      at: 7,
    });
    await work.store.rows.removeOlder({ jobs: 0, receipts: 0, artifacts: undefined, answers: 8 });
    expect(await work.store.reads.getIdempotency(consumer, 'k')).toBeUndefined();
    await work.close();
  });
});

it('keeps artifact metadata and its references', async () => {
  const store = await openStore(folder.path);
  const { artifacts } = store;
  const sha256 = 'ef'.repeat(32) as Sha256Hex;
  const ref = { sha256, account: consumer };
  expect(await artifacts.put(ref, 10, 1)).toEqual({ sha256, sizeBytes: 10, complete: false, createdAt: 1 });
  expect(await artifacts.put({ ...ref, job: jobNamed(1) }, 99, 2)).toMatchObject({
    sizeBytes: 10,
    createdAt: 1,
  });
  await artifacts.markComplete(sha256);
  expect(await artifacts.totalBytes(consumer)).toBe(10);
  expect(await artifacts.totalBytes()).toBe(10);
  expect(await artifacts.listRefs(sha256, consumer)).toEqual([ref, { ...ref, job: jobNamed(1) }]);
  expect(await artifacts.listStale(5, 9)).toEqual([]);
  await artifacts.removeRef(ref);
  await artifacts.removeRef({ ...ref, job: jobNamed(1) });
  expect(await artifacts.listStale(5, 9)).toMatchObject([{ sha256, complete: true }]);
  await artifacts.removeUseless(sha256, Number.MAX_SAFE_INTEGER);
  await artifacts.addRef(ref);
  expect([await artifacts.get(sha256), await artifacts.listRefs(sha256)]).toEqual([undefined, []]);
  await store.close();
});

it('counts what an account and all together have stored as artifacts and their references come and go', async () => {
  const store = await openStore(folder.path);
  const { artifacts } = store;
  const other = 'acc_eve' as AccountId;
  const [first, second] = ['ab', 'cd'].map((byte) => byte.repeat(32) as Sha256Hex) as [Sha256Hex, Sha256Hex];
  const bytes = async () => [
    await artifacts.totalBytes(consumer),
    await artifacts.totalBytes(other),
    await artifacts.totalBytes(),
  ];
  await artifacts.put({ sha256: first, account: consumer }, 10, 1);
  await artifacts.put({ sha256: first, account: consumer, job: jobNamed(1) }, 10, 1);
  await artifacts.put({ sha256: first, account: other }, 10, 1);
  await artifacts.put({ sha256: second, account: other }, 7, 2);
  expect(await bytes()).toEqual([10, 17, 17]);
  await artifacts.addRef({ sha256: first, account: consumer });
  await artifacts.removeRef({ sha256: first, account: consumer });
  expect(await bytes()).toEqual([10, 17, 17]);
  await artifacts.removeRef({ sha256: first, account: consumer, job: jobNamed(1) });
  await artifacts.removeRef({ sha256: first, account: consumer });
  expect(await bytes()).toEqual([0, 17, 17]);
  // Its last reference goes with it.
  await artifacts.removeUseless(first, Number.MAX_SAFE_INTEGER);
  expect(await bytes()).toEqual([0, 7, 7]);
  await artifacts.markComplete(second);
  expect(await artifacts.listStale(9, 9)).toEqual([]);
  await artifacts.removeRef({ sha256: second, account: other });
  expect(await artifacts.listStale(9, 9)).toMatchObject([{ sha256: second }]);
  expect(await bytes()).toEqual([0, 0, 7]);
  await store.close();
});

it('makes its files in a folder that is the owner’s alone', async () => {
  const path = join(folder.path, 'deep', 'data');
  const store = await openStore(path);
  await store.close();
  expect(statSync(path).mode & 0o777).toBe(0o700);
});
