import { join } from 'node:path';
import Database from 'better-sqlite3';
import { DataError } from './data-error.ts';
import { withData } from './data-fault.ts';

export const lockName = 'coordinator.lock';

/**
 * Holds a data folder for one process. The lock is SQLite's on a file of its own, so the kernel drops it with the
 * process, however that ends. Throws DataError: log.in_use while another holds it,
 * or what the folder does not allow.
 */
export function lockDirectory(dataDir: string): { release(): void } {
  const path = join(dataDir, lockName);
  return withData(path, () => lock(dataDir, path));
}

function lock(dataDir: string, path: string): { release(): void } {
  const database = new Database(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY'))
      throw new DataError('log.in_use', `Another coordinator is running on ${dataDir}.`, { cause: error });
    throw error;
  }
  return {
    release() {
      database.close();
    },
  };
}
