import { encodeHex, encodeUtf8 } from '@capacloud/protocol/log/bytes';
import { leafHash } from '@capacloud/protocol/log/merkle';
import { MerkleFrontier } from '@capacloud/protocol/log/merkle-frontier';
import { rootAt } from '@capacloud/protocol/log/merkle-proofs';
import Database from 'better-sqlite3';
import { nativeSha256 } from '../native-sha256.ts';
import { DataError } from './data-error.ts';
import { LogReader } from './log-reader.ts';
import { MerkleReader } from './merkle-reader.ts';
import { openForReading } from './open-database.ts';

/** Of 4 KiB, between which other work of the process gets its turn. */
const pagesPerStep = 1024;
const entriesPerRead = 4096;

export interface LogHead {
  readonly name: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/**
 * Copies a database that may be in use, as it is at one moment, into one file. It only reads: the coordinator goes on
 * writing, and its write-ahead log grows until the copy is done.
 */
export async function copyDatabase(path: string, target: string): Promise<LogHead> {
  const database = openForReading(path);
  try {
    // As long as it is open, this connection sees one moment; else a commit would make the copy start over.
    database.exec('BEGIN');
    const merkle = new MerkleReader(database);
    const size = merkle.size();
    if (size === 0)
      throw new DataError('log.foreign', `The log at ${path} is empty: there is nothing to back up.`);
    const head = {
      name: nameOf(new LogReader(database)),
      size,
      root: rootAt(size, merkle.read, nativeSha256),
    };
    await database.backup(target, { progress: () => pagesPerStep });
    database.exec('COMMIT');
    const copy = new Database(target);
    copy.pragma('journal_mode = DELETE');
    copy.close();
    return head;
  } finally {
    database.close();
  }
}

/** SHA-256 of the artifacts that the database says are there. */
export function* completeArtifacts(path: string): Generator<string, void, undefined> {
  const database = openForReading(path);
  try {
    yield* database.prepare<[], string>('SELECT sha256 FROM artifacts WHERE complete = 1').pluck().iterate();
  } finally {
    database.close();
  }
}

/** Reads everything: SQLite's own structure, each entry against its hash, the hashes against the tree. Throws DataError. */
export function verifyDatabase(path: string): {
  readonly name: string;
  readonly size: number;
  readonly rootHex: string;
} {
  const database = openForReading(path);
  try {
    const fault = database.pragma('quick_check(1)', { simple: true });
    if (fault !== 'ok') throw new DataError('log.damaged', `${path} is damaged: ${String(fault)}.`);
    const reader = new LogReader(database);
    const merkle = new MerkleReader(database);
    const frontier = new MerkleFrontier(nativeSha256);
    const size = merkle.size();
    while (frontier.size < size) {
      const entries = reader.read(frontier.size, entriesPerRead);
      if (entries.length === 0) throw new DataError('log.damaged', `The log lacks entry ${frontier.size}.`);
      for (const { entry } of entries) frontier.append(leafHash(encodeUtf8(entry), nativeSha256));
    }
    const rootHex = encodeHex(frontier.root());
    if (size > 0 && encodeHex(rootAt(size, merkle.read, nativeSha256)) !== rootHex)
      throw new DataError('log.damaged', 'The entries of the log do not give the root of its tree.');
    return { name: nameOf(reader), size, rootHex };
  } finally {
    database.close();
  }
}

/** The first entry of every log names it. */
function nameOf(reader: LogReader): string {
  const [first] = reader.read(0, 1);
  const { origin } = JSON.parse(first?.entry ?? '{}') as { readonly origin?: string };
  if (origin === undefined)
    throw new DataError('log.damaged', 'The first entry of the log does not name it.');
  return origin;
}
