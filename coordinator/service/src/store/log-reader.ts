import { encodeUtf8, equalBytes } from '@capacloud/protocol/log/bytes';
import { leafHash } from '@capacloud/protocol/log/merkle';
import type Database from 'better-sqlite3';
import { nativeSha256 } from '../native-sha256.ts';
import type { LogEntry } from '../ports/log.ts';
import { DataError } from './data-error.ts';

/** Reads entries, each checked against its leaf hash. */
export class LogReader {
  readonly #groups: Database.Statement<
    [number],
    { first: number; count: number; entries: string; hashes: Buffer }
  >;

  constructor(database: Database.Database) {
    this.#groups = database.prepare(
      `SELECT first, count, entries, hashes FROM log_groups
       WHERE first >= coalesce((SELECT max(first) FROM log_groups WHERE first <= ?), 0) ORDER BY first`,
    );
  }

  /** Throws DataError log.damaged where an entry is not what was hashed, or entries are missing. */
  read(from: number, limit: number, maxBytes = Number.POSITIVE_INFINITY): readonly LogEntry[] {
    const found: LogEntry[] = [];
    let next = from;
    let bytes = 0;
    const isFull = (): boolean => found.length >= limit || bytes >= maxBytes;
    for (const group of this.#groups.iterate(from)) {
      const lines = group.entries.split('\n');
      if (lines.length !== group.count || group.first > next) throw damaged(next);
      for (let i = next - group.first; i < group.count && !isFull(); i++) {
        const entry = lines[i] as string;
        const hash = group.hashes.subarray(32 * i, 32 * (i + 1));
        if (!equalBytes(leafHash(encodeUtf8(entry), nativeSha256), hash)) throw damaged(next);
        found.push({ index: next, entry });
        next += 1;
        bytes += entry.length;
      }
      if (isFull()) break;
    }
    return found;
  }
}

function damaged(index: number): DataError {
  return new DataError('log.damaged', `Entry ${index} of the log is not what was written.`);
}
