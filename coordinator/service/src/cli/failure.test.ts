import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { dataFault } from '../store/data-fault.ts';
import { databasePath } from '../store/open-database.ts';
import { temporaryFolder, Workload } from '../testing/workload.ts';
import { createCommandLine } from './command-line.ts';
import { tellFailure } from './failure.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder[Symbol.dispose]());

async function run(...args: readonly string[]): Promise<{ status: number; code: string; text: string }> {
  let text = '';
  try {
    await createCommandLine().parseAsync(['node', 'coordinator', ...args]);
  } catch (error) {
    const status = tellFailure(error, { write: (part) => (text += part) });
    expect(text).toMatch(/^error: [^\n]+ \([a-zA-Z_.]+\)\nhint: [^\n]+\n$/);
    return { status, code: /\(([a-zA-Z_.]+)\)\nhint/.exec(text)?.[1] ?? '', text };
  }
  return { status: 0, code: '', text };
}

/** Every command that reads the database of a data folder. */
const readers: readonly (readonly [string, ...string[]])[] = [
  ['serve', '--listen', '127.0.0.1:0'],
  ['state-hash'],
  ['backup', 'TARGET'],
];
const listen = ['--data-dir'];

describe.each<[string, string, (path: string) => void]>([
  ['is a folder', 'log.unavailable', (path) => mkdirSync(path)],
  ['is a file of another kind', 'log.foreign', (path) => writeFileSync(path, 'hello\n'.repeat(999))],
  [
    'was written by another program',
    'log.foreign',
    (path) => {
      const database = new Database(path);
      database.exec('CREATE TABLE pictures (id INTEGER)');
      database.close();
    },
  ],
])('a database that %s', (_, code, make) => {
  it.each(readers)('is told by %s in one sentence and a hint', async (...args) => {
    make(databasePath(folder.path));
    const named = args.map((arg) => (arg === 'TARGET' ? join(folder.path, 'target') : arg));
    expect(await run(...named, ...listen, folder.path)).toMatchObject({ status: 1, code });
  });
});

it('tells of broken pages, a lock, and a folder that is a file', async () => {
  const work = await Workload.open(folder.path);
  await work.prepare(3);
  await work.close();
  const path = databasePath(folder.path);
  const target = join(folder.path, 'target');
  const holder = new Database(path);
  holder.pragma('locking_mode = EXCLUSIVE');
  holder.exec('BEGIN EXCLUSIVE');
  expect(await run('state-hash', ...listen, folder.path)).toMatchObject({ status: 1, code: 'log.in_use' });
  holder.close();
  const good = readFileSync(path);
  const bad = Buffer.from(good);
  // All pages but the first, which holds the schema.
  bad.fill(0xa5, 4096);
  writeFileSync(path, bad);
  for (const args of [['state-hash'], ['backup', target], ['serve', '--listen', '127.0.0.1:0']])
    expect(await run(...args, ...listen, folder.path)).toMatchObject({ status: 1, code: 'log.damaged' });
  expect(await run('state-hash', ...listen, path)).toMatchObject({ status: 1 });
  expect(await run('serve', ...listen, path, '--listen', '127.0.0.1:0')).toMatchObject({
    status: 1,
    code: 'log.unavailable',
  });
  expect(await run('backup', join(path, 'x'), ...listen, folder.path)).toMatchObject({ status: 1 });
}, 30_000);

it('tells of files and folders that are something else', async () => {
  writeFileSync(join(folder.path, 'file'), '');
  const file = join(folder.path, 'file');
  expect(await run('restore', file, ...listen, join(folder.path, 'x'))).toMatchObject({
    code: 'log.foreign',
  });
  expect(await run('serve', '--config', folder.path)).toMatchObject({ status: 2, code: 'config.invalid' });
  expect(await run('simulate', folder.path)).toMatchObject({ status: 2, code: 'config.invalid' });
});

it.each([
  ['SQLITE_FULL', 'log.unavailable', 'Free some space'],
  ['ENOSPC', 'log.unavailable', 'Free some space'],
  ['SQLITE_READONLY_DBMOVED', 'log.unavailable', 'mounted read-write'],
  ['EROFS', 'log.unavailable', 'mounted read-write'],
  ['SQLITE_CANTOPEN', 'log.unavailable', 'may write'],
  ['SQLITE_IOERR_READ', 'log.unavailable', 'kernel log'],
  ['SQLITE_CORRUPT_VTAB', 'log.damaged', 'restore'],
  ['SQLITE_BUSY_SNAPSHOT', 'log.in_use', 'Another program'],
])('%s of the data folder is %s', (said, code, hint) => {
  const fault = dataFault(Object.assign(new Error('x'), { code: said }), '/data/coordinator.db');
  expect(fault).toMatchObject({
    code,
    message: expect.stringContaining('/data/coordinator.db'),
    hint: expect.stringContaining(hint),
  });
});

it('tells that no coordinator answers', async () => {
  writeFileSync(join(folder.path, 'operator.key'), 'cck_x');
  const args = ['keys', 'list', '--data-dir', folder.path, '--url', 'http://127.0.0.1:1'];
  const ended = await run(...args);
  expect(ended).toMatchObject({ status: 1, code: 'ECONNREFUSED' });
  expect(ended.text).toContain('Check that the coordinator runs');
});

it('reaches a coordinator elsewhere by the proxy of the environment', async () => {
  vi.stubEnv('http_proxy', 'http://127.0.0.1:1');
  writeFileSync(join(folder.path, 'operator.key'), 'cck_x');
  const args = ['keys', 'list', '--data-dir', folder.path, '--url', 'http://coordinator.invalid'];
  const ended = await run(...args);
  vi.unstubAllEnvs();
  expect(ended).toMatchObject({ status: 1, code: 'proxy_failed' });
  expect(ended.text).toContain('the proxy http://127.0.0.1:1 cannot be reached');
});

it('an error of the program is told as such, with no stack', () => {
  let text = '';
  const status = tellFailure(new TypeError('x is undefined\n    at y'), { write: (part) => (text += part) });
  expect({ status, text }).toEqual({
    status: 1,
    text: 'error: x is undefined (service.internal)\nhint: This is a fault of the program: report it. NODE_DEBUG=capacloud shows where it happened.\n',
  });
});
