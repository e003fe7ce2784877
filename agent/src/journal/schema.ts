import Database from 'better-sqlite3';

/** Rises with each change of the tables; a release reads what it or an older one wrote. */
const schemaVersion = 1;

export class JournalRefused extends Error {
  readonly code: 'journal_newer' | 'journal_damaged';
  override readonly name = 'JournalRefused';

  constructor(code: JournalRefused['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
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

/** Opens or creates the journal. Throws JournalRefused when a newer release wrote it or it is damaged. */
export function openDatabase(file: string): Database.Database {
  const database = new Database(file, { timeout: 5000 });
  try {
    database.pragma('journal_mode = WAL');
    // With WAL, only FULL makes a commit durable against power loss.
    database.pragma('synchronous = FULL');
    database.pragma('journal_size_limit = 4194304');
    const found = Number(database.pragma('user_version', { simple: true }));
    if (found > schemaVersion) {
      throw new JournalRefused(
        'journal_newer',
        `${file} was written by a newer release (schema ${found}, this one reads up to ${schemaVersion})`,
      );
    }
    if (found === 0) {
      database.transaction(() => {
        database.exec(tables);
        database.pragma(`user_version = ${schemaVersion}`);
      })();
    }
    return database;
  } catch (cause) {
    database.close();
    if (cause instanceof Database.SqliteError && ['SQLITE_NOTADB', 'SQLITE_CORRUPT'].includes(cause.code)) {
      throw new JournalRefused('journal_damaged', `${file} is not a readable journal`, { cause });
    }
    throw cause;
  }
}
