import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultRuleset } from '@capacloud/core/contract/ruleset';
import Database from 'better-sqlite3';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openEngine } from '../engine.ts';
import { databasePath } from '../store/open-database.ts';
import { temporaryFolder, Workload } from '../testing/workload.ts';
import { printStateHash } from './state-hash.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => {
  folder[Symbol.dispose]();
});

async function run(command: string, name = 'log.test') {
  const child = spawn(process.execPath, ['--conditions=@capacloud/source', main, command], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      CAPACLOUD_DATA_DIR: folder.path,
      CAPACLOUD_LISTEN: '127.0.0.1:0',
      CAPACLOUD_NAME: name,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (part) => {
    out += part;
    // It should have refused.
    if (out.includes('the coordinator is ready')) child.kill('SIGTERM');
  });
  child.stderr.on('data', (part) => (err += part));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, out, err };
}

/** More than 256 entries, so that the tree has a stored node; live work, a snapshot, and a checkpoint that was given out. */
async function live(jobs: number): Promise<void> {
  const work = await Workload.open(folder.path);
  if (work.store.log.size() === 0) await work.prepare(3);
  const before = work.store.log.size();
  const stop = work.follow();
  for (let n = 0; n < jobs; n++) await work.submitJob(30);
  await vi.waitFor(() => expect(work.store.log.size()).toBeGreaterThan(before + jobs * 90), 15_000);
  stop();
  await work.submitJob(20, { maxRateNano: 1n });
  await work.close();
  const engine = await openEngine({
    config: { name: 'log.test', dataDir: folder.path, ruleset: defaultRuleset, snapshotEvents: 10_000 },
    logger: pino({ level: 'silent' }),
    now: () => 2_000_000,
    signal: AbortSignal.any([]),
    onFatal: () => {},
  });
  await engine.transparency.checkpoint();
  await engine.close();
}

function tamper(sql: string): void {
  const database = new Database(databasePath(folder.path));
  expect(database.prepare(sql).run().changes).toBeGreaterThan(0);
  database.close();
}

function fileHash(): string {
  return createHash('sha256')
    .update(readFileSync(databasePath(folder.path)))
    .digest('hex');
}

describe('a coordinator does not start on', () => {
  it.each<[string, string, string, () => void]>([
    [
      'a leaf hash that changed',
      'log.damaged',
      'not those of the checkpoint',
      () =>
        tamper(
          'UPDATE log_groups SET hashes = zeroblob(length(hashes)) WHERE first = (SELECT max(first) FROM log_groups)',
        ),
    ],
    [
      'a node of the tree that changed',
      'log.damaged',
      'not those of the checkpoint',
      () => tamper('UPDATE merkle_nodes SET hash = zeroblob(32)'),
    ],
    [
      'a node of the tree that is gone',
      'log.damaged',
      'lacks tree nodes',
      () => tamper('DELETE FROM merkle_nodes'),
    ],
    [
      'entries that are gone',
      'log.damaged',
      'a high-water mark of',
      () => tamper('DELETE FROM log_groups WHERE first > 200'),
    ],
    [
      'an account that is gone',
      'log.damaged',
      'the balance of acc_ada',
      () => tamper("DELETE FROM accounts WHERE id = 'acc_ada'"),
    ],
    [
      'a live job that is gone',
      'log.damaged',
      'the job job_',
      () => tamper('DELETE FROM jobs WHERE settled = 0'),
    ],
    [
      'a file that was cut off',
      'log.damaged',
      'damaged',
      () => truncateSync(databasePath(folder.path), 60_000),
    ],
  ])('%s', async (_, code, words, harm) => {
    await live(4);
    harm();
    const { status, err, out } = await run('serve');
    expect({ status, err, out }).toMatchObject({ status: 1, err: expect.stringContaining(words) });
    expect(err).toContain(`(${code})\nhint: `);
    expect(err).toContain('restore the data folder from a backup');
  });

  it('a database whose write-ahead log was lost', async () => {
    await live(3);
    const old = join(folder.path, 'old');
    copyFileSync(databasePath(folder.path), old);
    await live(1);
    // After an orderly stop everything is in the file.
    expect(readdirSync(folder.path).filter((name) => name.endsWith('-wal'))).toEqual([]);
    copyFileSync(old, databasePath(folder.path));
    const { status, err } = await run('serve');
    expect({ status, err }).toMatchObject({
      status: 1,
      err: expect.stringContaining('coordinator.db-wal lost'),
    });
    expect(err).toContain('(log.damaged)\nhint: ');
  });

  it.each<[string, string, () => void]>([
    [
      'a file of another kind',
      'not a database of a coordinator',
      () => writeFileSync(databasePath(folder.path), 'hello\n'.repeat(500)),
    ],
    [
      'the database of another program',
      'not written by a CapaCloud coordinator',
      () => {
        const database = new Database(databasePath(folder.path));
        database.exec('CREATE TABLE pictures (id INTEGER)');
        database.close();
      },
    ],
    [
      'the database of a newer release',
      'has format 99',
      () => {
        const database = new Database(databasePath(folder.path));
        database.pragma(`application_id = ${0x43_41_50_41}`);
        database.exec('CREATE TABLE things (id INTEGER)');
        database.pragma('user_version = 99');
        database.close();
      },
    ],
  ])('%s, and leaves it as it was', async (_, words, make) => {
    make();
    const before = fileHash();
    const { status, err } = await run('serve');
    expect({ status, err }).toMatchObject({ status: 1, err: expect.stringContaining(words) });
    expect(err).toContain('(log.foreign)\nhint: ');
    expect(fileHash()).toBe(before);
  });

  it('the folder of a coordinator with another name', async () => {
    await live(1);
    const { status, err } = await run('serve', 'other.test');
    expect({ status, err }).toMatchObject({
      status: 1,
      err: expect.stringContaining('belongs to the coordinator log.test, not other.test'),
    });
  });
});

async function printed(): Promise<string> {
  let text = '';
  await printStateHash(folder.path, { write: (part) => (text += part) });
  return text;
}

it('finds a byte that changed anywhere in the log, or is not misled by it', async () => {
  await live(2);
  const sound = await printed();
  const path = databasePath(folder.path);
  const good = readFileSync(path);
  let found = 0;
  for (let n = 0; n < 40; n++) {
    const bad = Buffer.from(good);
    const at = Math.floor(((n + 0.5) / 40) * good.length);
    bad[at] = (bad[at] ?? 0) ^ 4;
    writeFileSync(path, bad);
    const said = await printed().catch((error: unknown) => error);
    if (said instanceof Error) {
      expect(said).toMatchObject({ code: expect.stringMatching(/^log\.(damaged|foreign)$/) });
      found += 1;
    } else {
      expect(said).toBe(sound);
    }
  }
  expect(found).toBeGreaterThan(5);
});
