import { chmodSync, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { reasonNames, type TaskReason, taskReasons } from '@capacloud/protocol/catalogue/reasons';
import Database from 'better-sqlite3';
import { walBytesOf, walFramesOf } from '../disk-marks.ts';
import { systemAccounts } from './codes.ts';
import { DataError } from './data-error.ts';
import { withData } from './data-fault.ts';
import { MerkleReader } from './merkle-reader.ts';
import { migrate, schemaVersion } from './migrations.ts';
import { applicationId, firstSchema } from './schema.ts';

export function databasePath(dataDir: string): string {
  return join(dataDir, 'coordinator.db');
}

/** What is left of a write-ahead log that once grew beyond its bound. */
const maxKeptWalBytes = 64 * 1024 * 1024;

/**
 * Opens the database for the one writer, and makes it on first use. Throws DataError: log.foreign for a file of
 * another program or a newer release, log.damaged for one whose content is broken, log.unavailable, log.in_use.
 */
export function openForWriting(path: string): Database.Database {
  const database = withData(path, () => {
    closeToOthers(path);
    return new Database(path);
  });
  withData(path, () => {
    const isNew = database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
    const from = isNew ? 0 : formatOf(database, path);
    // better-sqlite3 builds SQLite so that WAL means synchronous=NORMAL; a commit must survive a power cut.
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    const { blocks, bsize } = statfsSync(dirname(path));
    database.pragma(`wal_autocheckpoint = ${walFramesOf(blocks * bsize)}`);
    database.pragma(`journal_size_limit = ${Math.min(maxKeptWalBytes, 4 * walBytesOf(blocks * bsize))}`);
    database.transaction(() => {
      if (from === 0) create(database);
      if (from < schemaVersion) migrate(database, Math.max(1, from));
      addReasons(database);
    })();
  });
  return database;
}

/** The file may come from an older release or a copy. SQLite gives the files beside it the same mode. */
function closeToOthers(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`])
    if (existsSync(file) && (statSync(file).mode & 0o077) !== 0) chmodSync(file, 0o600);
}

/** Opens an existing database for reading; it may be in use. */
export function openForReading(path: string): Database.Database {
  if (!existsSync(path)) throw new DataError('log.foreign', `There is no log at ${path}.`);
  if (!statSync(path).isFile())
    throw new DataError('log.unavailable', `${path} is not a file.`, {
      hint: 'Check the path: what is there is of another kind.',
    });
  const database = withData(path, () => new Database(path, { readonly: true, fileMustExist: true }));
  withData(path, () => {
    formatOf(database, path);
    // The schema is read with the first statement, and may be what is damaged.
    database.prepare('SELECT 1 FROM log_groups');
  });
  return database;
}

/**
 * Entries of the log, read without changing anything: whoever opens a database for writing moves its write-ahead log into the
 * file when it closes it, and what could be saved of a damaged one is gone then.
 */
export function readLogSize(path: string): number {
  if (!existsSync(path) || !statSync(path).isFile()) return 0;
  const database = withData(path, () => new Database(path, { readonly: true, fileMustExist: true }));
  try {
    return withData(path, () => {
      const isEmpty = database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
      return isEmpty ? 0 : new MerkleReader(database).size();
    });
  } finally {
    database.close();
  }
}

/** Its format, which is one that this release knows. The log has been the same in all. */
function formatOf(database: Database.Database, path: string): number {
  if (database.pragma('application_id', { simple: true }) !== applicationId)
    throw new DataError('log.foreign', `${path} was not written by a CapaCloud coordinator.`);
  const version = Number(database.pragma('user_version', { simple: true }));
  if (version < 1 || version > schemaVersion)
    throw new DataError(
      'log.foreign',
      `${path} has format ${version}; this release reads formats 1 to ${schemaVersion}. Use the release that wrote it, or restore a backup from before.`,
    );
  return version;
}

function create(database: Database.Database): void {
  database.exec(firstSchema);
  const addAccount = database.prepare('INSERT INTO accounts VALUES (?, ?, 0, 0, NULL)');
  for (const [index, id] of systemAccounts.entries()) addAccount.run(index + 1, id);
  database.pragma(`application_id = ${applicationId}`);
}

/** A newer release may know more reasons; codes that are stored stay as they are. */
function addReasons(database: Database.Database): void {
  const next = database.prepare<[], number>('SELECT coalesce(max(code) + 1, 0) FROM reasons').pluck();
  const has = database.prepare<[string], number>('SELECT 1 FROM reasons WHERE name = ?').pluck();
  const add = database.prepare('INSERT INTO reasons VALUES (?, ?)');
  for (const name of reasonNames<TaskReason>(taskReasons))
    if (has.get(name) === undefined) add.run(next.get(), name);
}
