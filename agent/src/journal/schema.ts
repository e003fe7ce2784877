import { chmodSync, existsSync, statSync } from 'node:fs';
import Database from 'better-sqlite3';
import { isStorageFault } from '../core/storage-fault.ts';

/** Rises with each change of the tables; a release reads what it or an older one wrote. */
const schemaVersion = 1;

type Code = 'journal_newer' | 'journal_foreign' | 'journal_damaged' | 'journal_busy' | 'journal_unavailable';

const hints: Readonly<Record<Code, string>> = {
  journal_newer: 'Use the release that wrote it, or a newer one.',
  journal_foreign: 'Set state_dir to a folder of the agent’s own.',
  journal_damaged:
    'Move it aside and start again: what it says of work in progress is lost, and the coordinator gives that away.',
  journal_busy: 'Another program has it open: end that one, then start again.',
  journal_unavailable: 'Look at the rights of its folder and at the room on its disk, or set state_dir.',
};

/** The journal cannot be used. Its message and hint are for the owner. */
export class JournalRefused extends Error {
  readonly code: Code;
  readonly hint: string;
  override readonly name = 'JournalRefused';

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hints[code];
  }
}

const tables = `
CREATE TABLE attempt (
  coordinator TEXT NOT NULL,
  task TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  phase TEXT NOT NULL,
  assignment TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (coordinator, task, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
  coordinator TEXT NOT NULL,
  id INTEGER NOT NULL,
  task TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  item TEXT NOT NULL,
  PRIMARY KEY (coordinator, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_attempt ON outbox (coordinator, task, attempt);
CREATE TABLE coordinator (
  key TEXT PRIMARY KEY,
  name TEXT,
  last_report INTEGER NOT NULL DEFAULT 0,
  boot_id TEXT,
  lease_until INTEGER
) STRICT, WITHOUT ROWID;
`;

/** A table that a release without it passes over needs no new number. User ids, in the order in which they were let go. */
const additions = `
CREATE TABLE IF NOT EXISTS freed_uid (
  uid INTEGER PRIMARY KEY,
  turn INTEGER NOT NULL
) STRICT;
`;

/** Opens or creates the journal. Throws JournalRefused when it cannot be used, whatever the reason. */
export function openDatabase(file: string): Database.Database {
  return usable(file, () => {
    closeToOthers(file);
    try {
      return open(file);
    } catch (cause) {
      if (!isStorageFault(cause)) throw cause;
      // Beside a write-ahead log SQLite makes a file of shared memory, for which a full disk has no room. One process alone
      // needs none, so what is in the journal can be read, and a lease be kept, on a disk that takes no writes.
      return open(file, 'alone');
    }
  });
}

/**
 * Assignments hold private command lines. The file may come from an older release or a copy; SQLite gives the files beside it
 * the same mode.
 */
function closeToOthers(file: string): void {
  for (const each of [file, `${file}-wal`, `${file}-shm`]) {
    if (!existsSync(each) || (statSync(each).mode & 0o077) === 0) continue;
    try {
      chmodSync(each, 0o600);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : '';
      throw new JournalRefused('journal_unavailable', `${each} can be read by others: ${why}`, { cause });
    }
  }
}

function open(file: string, mode?: 'alone'): Database.Database {
  const database = new Database(file, { timeout: busyMs });
  try {
    if (mode === 'alone') database.pragma('locking_mode = EXCLUSIVE');
    prepare(database, file);
    return database;
  } catch (cause) {
    database.close();
    throw cause;
  }
}

/** How long a checkpoint or a backup of the file may hold it. */
const busyMs = 5000;

function prepare(database: Database.Database, file: string): void {
  const found = Number(database.pragma('user_version', { simple: true }));
  if (found > schemaVersion) {
    throw new JournalRefused(
      'journal_newer',
      `${file} was written by a newer release (schema ${found}, this one reads up to ${schemaVersion})`,
    );
  }
  const fault = database.pragma('quick_check(1)', { simple: true });
  if (fault !== 'ok') throw new JournalRefused('journal_damaged', `${file} is damaged: ${String(fault)}`);
  // Before anything is written, so that the file of another program stays as it was.
  const isOurs = found > 0 || database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0;
  if (!isOurs) throw new JournalRefused('journal_foreign', `${file} is the database of another program`);
  database.pragma('journal_mode = WAL');
  // With WAL, only FULL makes a commit durable against power loss.
  database.pragma('synchronous = FULL');
  database.pragma('journal_size_limit = 4194304');
  if (found === 0) {
    database.transaction(() => {
      database.exec(tables);
      database.pragma(`user_version = ${schemaVersion}`);
    })();
  }
  database.exec(additions);
}

/** Does something with the file, and puts what SQLite says of it into the owner's words. */
export function usable<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    if (!(cause instanceof Database.SqliteError)) throw cause;
    const code = codeOf(cause.code);
    const what = code === 'journal_damaged' ? 'is not a readable journal' : 'cannot be used';
    throw new JournalRefused(code, `${file} ${what}: ${cause.message} (${cause.code})`, { cause });
  }
}

function codeOf(sqlite: string): Code {
  if (/^SQLITE_(NOTADB|CORRUPT|ERROR|SCHEMA)/.test(sqlite)) return 'journal_damaged';
  return /^SQLITE_(BUSY|LOCKED)/.test(sqlite) ? 'journal_busy' : 'journal_unavailable';
}
