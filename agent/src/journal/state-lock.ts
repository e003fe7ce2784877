import { join } from 'node:path';
import Database from 'better-sqlite3';
import { usable } from './schema.ts';

export class StateDirBusy extends Error {
  readonly code = 'state_dir_busy';
  readonly hint = 'Stop the other agent, or give this one a state_dir of its own.';
  override readonly name = 'StateDirBusy';
}

/**
 * One agent per state folder. An exclusive SQLite transaction holds the kernel's lock on the file, so it ends
 * with the process however that ends, and a stale lock cannot exist. Throws StateDirBusy, or JournalRefused where the file
 * cannot be used.
 */
export function lockStateDir(stateDir: string): { release(): void } {
  const file = join(stateDir, 'agent.lock');
  return usable(file, () => lock(stateDir, file));
}

function lock(stateDir: string, file: string): { release(): void } {
  const database = new Database(file, { timeout: 0 });
  try {
    // No file beside it: a full disk has no room for one, and what runs there needs its agent.
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    if (cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_BUSY')) {
      throw new StateDirBusy(`another agent uses ${stateDir}`, { cause });
    }
    throw cause;
  }
  return {
    release() {
      database.close();
    },
  };
}
