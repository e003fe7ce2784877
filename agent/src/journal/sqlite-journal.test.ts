import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TaskId } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { advance, newAttempt } from '../core/attempt-record.ts';
import type { ReportDraft } from '../core/journal-port.ts';
import { openDatabase } from './schema.ts';
import { SqliteJournal } from './sqlite-journal.ts';
import { lockStateDir } from './state-lock.ts';

const task = `job_${'a'.repeat(20)}.0` as TaskId;
const assignment = (attempt: number) =>
  ({ task, attempt, image: 'busybox', env: { A: 'ü' } }) as unknown as Assignment;
const progress = (attempt: number): ReportDraft => ({
  kind: 'progress',
  task,
  attempt,
  stage: 'pulling',
  atMs: 1,
});

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-journal-'));
  file = join(dir, 'journal.db');
});
afterEach(() => rmSync(dir, { recursive: true }));

function open(coordinator = 'one', first = 0): SqliteJournal {
  return new SqliteJournal(openDatabase(file), coordinator, first);
}

test('refuses what a newer release wrote, and what is no journal', () => {
  open().close();
  const db = new Database(file);
  db.pragma('user_version = 99');
  db.close();
  expect(() => open()).toThrow(expect.objectContaining({ code: 'journal_newer' }));
  writeFileSync(file, 'this is no database, whatever it is called. '.repeat(100));
  rmSync(`${file}-wal`, { force: true });
  expect(() => open()).toThrow(expect.objectContaining({ code: 'journal_damaged' }));
});

test('refuses a database of another program, a folder, and a file that another program holds', () => {
  const foreign = new Database(file);
  foreign.exec('CREATE TABLE pictures (id INTEGER)');
  const before = readFileSync(file);
  expect(() => open()).toThrow(expect.objectContaining({ code: 'journal_foreign' }));
  expect(readFileSync(file)).toEqual(before);
  foreign.close();
  rmSync(file);
  mkdirSync(file);
  expect(() => open()).toThrow(
    expect.objectContaining({ code: 'journal_unavailable', hint: expect.any(String) }),
  );
  const lock = join(dir, 'agent.lock');
  writeFileSync(lock, 'this is no database, whatever it is called. '.repeat(100));
  expect(() => lockStateDir(dir)).toThrow(expect.objectContaining({ code: 'journal_damaged' }));
  rmSync(file, { recursive: true });
});

test('one agent per state folder, until its process ends', () => {
  const lock = lockStateDir(dir);
  expect(() => lockStateDir(dir)).toThrow(expect.objectContaining({ code: 'state_dir_busy' }));
  lock.release();
  lockStateDir(dir).release();
});

// The child writes a record and its report in one call, tells what was done, and is killed somewhere in between.
const writer = `
import { openDatabase } from '${fileURLToPath(new URL('./schema.ts', import.meta.url))}';
import { SqliteJournal } from '${fileURLToPath(new URL('./sqlite-journal.ts', import.meta.url))}';
import { writeSync } from 'node:fs';
const journal = new SqliteJournal(openDatabase(process.argv[1]), 'one', 0);
const task = '${task}';
for (let attempt = journal.attempts().length + 1; ; attempt++) {
  const record = { key: { task, attempt }, assignment: { task, attempt }, phase: 'pulling', acceptedAtMs: 0, files: [], log: { sizeBytes: 0, truncated: false, ackedBytes: 0, done: false } };
  journal.save(record, [{ kind: 'progress', task, attempt, stage: 'pulling', atMs: 1 }]);
  writeSync(1, attempt + '\\n');
}
`;

test('a kill at any point loses nothing that was done, and never half of it', async () => {
  let told = 0;
  for (let round = 0; round < 4; round++) {
    const child = spawn(
      process.execPath,
      ['--conditions=@capacloud/source', '--input-type=module', '-e', writer, file],
      {
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    const exited = once(child, 'exit');
    const target = told + 5 + round * 7;
    let text = '';
    for await (const chunk of child.stdout) {
      text += String(chunk);
      const last = Number(text.trimEnd().split('\n').at(-1));
      if (last >= target) child.kill('SIGKILL');
    }
    await exited;
    told =
      text.slice(0, text.lastIndexOf('\n')).split('\n').length === 0
        ? told
        : Number(text.slice(0, text.lastIndexOf('\n')).split('\n').at(-1));
    const journal = open();
    const attempts = journal.attempts().map((record) => record.key.attempt);
    expect(attempts.length).toBeGreaterThanOrEqual(told);
    expect(attempts).toEqual(attempts.map((_, index) => index + 1));
    expect(journal.outbox(0, 100_000).map((item) => item.kind === 'progress' && item.attempt)).toEqual(
      attempts,
    );
    journal.close();
  }
  expect(told).toBeGreaterThan(20);
});

test('closes a journal that others could read, and the files beside it', () => {
  const first = open();
  first.save(newAttempt(assignment(3), 6), [progress(3)]);
  for (const name of readdirSync(dir)) chmodSync(join(dir, name), 0o644);
  const second = open();
  for (const name of readdirSync(dir))
    expect([name, statSync(join(dir, name)).mode & 0o777]).toEqual([name, 0o600]);
  second.close();
  first.close();
});

test('an attempt keeps its user id over a restart, and no other has it until the attempt is settled', () => {
  const range = { first: 100, last: 103 };
  const key = (attempt: number) => ({ task, attempt });
  const settle = (journal: SqliteJournal, attempt: number) => {
    const record = journal.attempt(key(attempt));
    if (record === undefined) throw new Error('it is not there');
    journal.save(advance(record, 'reporting', { outcome: { reason: 'stopped' } }));
    for (const phase of ['cleaning', 'settled'] as const)
      journal.save(advance(journal.attempt(key(attempt)) ?? record, phase));
  };
  const before = open();
  for (const attempt of [1, 2, 3]) before.save(newAttempt(assignment(attempt), 1));
  expect([1, 2, 1].map((attempt) => before.takeUid(key(attempt), range, []))).toEqual([100, 101, 100]);
  expect(before.takeUid(key(9), range, [])).toBeUndefined();
  settle(before, 2);
  settle(before, 1);
  before.close();
  const after = open();
  for (const attempt of [4, 5, 6]) after.save(newAttempt(assignment(attempt), 1));
  // A container that no journal knows has 102; 101 was let go before 100.
  const taken = [3, 4, 5].map((attempt) => after.takeUid(key(attempt), range, [102]));
  expect(taken).toEqual([103, 101, 100]);
  expect(after.takeUid(key(6), range, [102])).toBeUndefined();
  after.forget(key(1));
  after.close();
  const other = open('two');
  other.save(newAttempt(assignment(1), 1));
  expect(other.takeUid(key(1), range, [])).toBe(102);
  other.close();
});
