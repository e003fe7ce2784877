import type { State } from '@capacloud/core/state';
import type { SubtreeReader } from '@capacloud/protocol/log/merkle-proofs';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { CheckpointStore } from '../ports/checkpoint-store.ts';
import type { LogPort } from '../ports/log.ts';
import type { PrivateRows } from '../ports/private-rows.ts';
import type { Projection } from '../ports/projection.ts';
import type { ReadStore } from '../ports/read-store.ts';
import { withData } from './data-fault.ts';
import { makeDataFolder } from './data-folder.ts';
import { lockDirectory } from './directory-lock.ts';
import { LogReader } from './log-reader.ts';
import { MerkleReader } from './merkle-reader.ts';
import { databasePath, openForReading } from './open-database.ts';
import { createPrivateRows } from './private-rows.ts';
import { Projector } from './projector.ts';
import { readProjectorSeed, readReasons } from './projector-seed.ts';
import { createArtifactIndex } from './sqlite-artifact-index.ts';
import { SqliteLog } from './sqlite-log.ts';
import { createReadStore } from './sqlite-read-store.ts';
import { faultOfTables } from './table-check.ts';
import type { Write } from './write-message.ts';
import { WriterClient } from './writer-client.ts';

export interface Store {
  readonly log: LogPort;
  /** Of the lease that this process holds. */
  readonly fencingEpoch: number;
  readonly projection: Projection;
  readonly reads: ReadStore;
  readonly artifacts: ArtifactIndex;
  readonly checkpoints: CheckpointStore;
  /** Complete subtrees of the log's tree, durable ones only. */
  readonly readSubtree: SubtreeReader;
  /** What the tables lack or say otherwise than the log; undefined where nothing is wrong. Before the first write. */
  faultOfTables(state: State): string | undefined;
  /** Bytes of the database's file that are free for new rows. */
  reusableBytes(): number;
  /** Gives back what the write-ahead log holds of the disk beyond its need. */
  shrink(): Promise<void>;
  readonly rows: PrivateRows;
  /** Removes superseded checkpoints from before this time. */
  prune(checkpointsBefore: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the data folder for writing, and makes it on first use. Throws DataError: log.in_use while another
 * coordinator has it, log.foreign, log.damaged, log.unavailable.
 */
export async function openStore(dataDir: string): Promise<Store> {
  withData(dataDir, () => makeDataFolder(dataDir));
  const lock = lockDirectory(dataDir);
  try {
    const path = databasePath(dataDir);
    const { client, epoch, size } = await WriterClient.start(path);
    const database = openForReading(path);
    const write = (write: Write) => client.write(write, epoch);
    const merkle = new MerkleReader(database);
    const seed = readProjectorSeed(database);
    const freePages = database.prepare<[], number>('PRAGMA freelist_count').pluck();
    const pageBytes = Number(database.pragma('page_size', { simple: true }));
    const latest = database.prepare<[], { size: number; note: string }>(
      'SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1',
    );
    return {
      log: new SqliteLog(client, new LogReader(database), size),
      fencingEpoch: epoch,
      projection: new Projector(seed),
      reads: createReadStore(database, readReasons(database)),
      artifacts: createArtifactIndex(database, write),
      checkpoints: {
        latest: () => latest.get(),
        save: (size, note, at) => write({ kind: 'checkpoint', size, note, at }),
      },
      readSubtree: merkle.read,
      faultOfTables: (state) => faultOfTables(state, seed),
      reusableBytes: () => (freePages.get() ?? 0) * pageBytes,
      shrink: () => write({ kind: 'shrink' }),
      rows: createPrivateRows(database, write),
      prune: (checkpointsBefore) => write({ kind: 'prune', checkpointsBefore }),
      async close() {
        // The writer last: only it can move the write-ahead log into the file.
        database.close();
        await client.close();
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A log that may be in use, for an audit. Nothing is written. */
export function openLogForAudit(dataDir: string): {
  readonly log: Pick<LogPort, 'read' | 'size'>;
  readonly readSubtree: SubtreeReader;
  close(): void;
} {
  const database = openForReading(databasePath(dataDir));
  const reader = new LogReader(database);
  const merkle = new MerkleReader(database);
  const size = merkle.size();
  return {
    log: { read: (from, limit) => Promise.resolve(reader.read(from, limit)), size: () => size },
    readSubtree: merkle.read,
    close() {
      database.close();
    },
  };
}
