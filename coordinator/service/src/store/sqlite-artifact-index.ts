import { type AccountId, isJobId, type JobId, type Sha256Hex, type TaskId } from '@capacloud/protocol/ids';
import type Database from 'better-sqlite3';
import type { ArtifactIndex, ArtifactRef, ArtifactRow, BroughtFile } from '../ports/artifact-index.ts';
import type { ArtifactWrite } from './write-message.ts';

const maxRefs = 1000;

interface StoredArtifact {
  readonly sha256: Sha256Hex;
  readonly size_bytes: number;
  readonly complete: number;
  readonly created_at: number;
}
interface StoredRef {
  readonly sha256: Sha256Hex;
  readonly account: AccountId;
  readonly job: JobId | '';
}

function artifactRow(row: StoredArtifact): ArtifactRow {
  return {
    sha256: row.sha256,
    sizeBytes: row.size_bytes,
    complete: row.complete === 1,
    createdAt: row.created_at,
  };
}

function refRow({ sha256, account, job }: StoredRef): ArtifactRef {
  return job === '' ? { sha256, account } : { sha256, account, job };
}

/** What accounts have. */
function ownedQueries(database: Database.Database): Pick<ArtifactIndex, 'listOfJob' | 'listOwned'> {
  // Checkpoints are referred to under their tasks, and are nobody's to delete.
  const owned = database.prepare<[string, string, number], StoredArtifact & { readonly jobs: string }>(
    `SELECT a.*, group_concat(r.job, ' ') AS jobs FROM artifact_refs r JOIN artifacts a USING (sha256)
      WHERE r.account = ? AND r.sha256 > ? GROUP BY r.sha256 ORDER BY r.sha256 LIMIT ?`,
  );
  const ofJob = database
    .prepare<[string, string], Sha256Hex>(
      "SELECT sha256 FROM artifact_refs WHERE account = ? AND job = ? AND job <> ''",
    )
    .pluck();
  return {
    listOwned: (account, after, limit) =>
      Promise.resolve(
        owned.all(account, after ?? '', limit).map(({ jobs, ...row }) => ({
          ...artifactRow(row),
          jobs: jobs.split(' ').filter(isJobId),
        })),
      ),
    listOfJob: (account, job) => Promise.resolve(ofJob.all(account, job)),
  };
}

/** What nodes uploaded for their attempts. */
function broughtQueries(database: Database.Database): Pick<ArtifactIndex, 'hasBrought' | 'listBrought'> {
  const one = database
    .prepare<[string, number, string], number>(
      'SELECT 1 FROM brought_outputs WHERE task = ? AND attempt = ? AND sha256 = ?',
    )
    .pluck();
  const all = database.prepare<[], BroughtFile>(
    'SELECT task, attempt, node, sha256, size_bytes AS sizeBytes, at FROM brought_outputs JOIN artifacts USING (sha256)',
  );
  return {
    hasBrought: ({ attempt, task }, sha256) => Promise.resolve(one.get(task, attempt, sha256) === 1),
    listBrought: () => Promise.resolve(all.all()),
  };
}

/** Artifact metadata: written by the writer thread, read through a connection of this thread. */
export function createArtifactIndex(
  database: Database.Database,
  write: (write: ArtifactWrite) => Promise<void>,
): ArtifactIndex {
  const one = database.prepare<[string], StoredArtifact>('SELECT * FROM artifacts WHERE sha256 = ?');
  const refs = database.prepare<[string, string | null, string | null], StoredRef>(
    `SELECT * FROM artifact_refs WHERE sha256 = ? AND (? IS NULL OR account = ?) LIMIT ${maxRefs}`,
  );
  const usage = database
    .prepare<[string], number>('SELECT bytes FROM artifact_usage WHERE account = ?')
    .pluck();
  // As the index artifacts_stale says it, or it would not be used.
  const stale = database.prepare<[number, number], StoredArtifact>(
    'SELECT * FROM artifacts WHERE created_at < ? AND (complete = 0 OR refs = 0) ORDER BY created_at LIMIT ?',
  );
  const checkpoint = database.prepare<[string], { attempt: number; sha256: Sha256Hex; size_bytes: number }>(
    'SELECT attempt, sha256, size_bytes FROM task_checkpoints JOIN artifacts USING (sha256) WHERE task = ? AND complete = 1',
  );
  const checkpoints = database
    .prepare<[string, number], TaskId>(
      'SELECT task FROM task_checkpoints WHERE task > ? ORDER BY task LIMIT ?',
    )
    .pluck();
  const left = database
    .prepare<[string], number>('SELECT attempt FROM left_outputs WHERE task = ? LIMIT 1')
    .pluck();
  const get = (sha256: Sha256Hex) => {
    const row = one.get(sha256);
    return row === undefined ? undefined : artifactRow(row);
  };
  return {
    async put(ref, sizeBytes, at) {
      await write({ kind: 'artifact.put', ref, sizeBytes, at });
      const row = get(ref.sha256);
      if (row === undefined) throw new Error('an artifact was removed while it was put');
      return row;
    },
    markComplete: (sha256) => write({ kind: 'artifact.complete', sha256 }),
    get: (sha256) => Promise.resolve(get(sha256)),
    addRef: (ref) => write({ kind: 'artifact.add_ref', ref }),
    removeRef: (ref) => write({ kind: 'artifact.remove_ref', ref }),
    listRefs: (sha256, account) =>
      Promise.resolve(refs.all(sha256, account ?? null, account ?? null).map(refRow)),
    ...ownedQueries(database),
    totalBytes: (account) => Promise.resolve(usage.get(account ?? '') ?? 0),
    listStale: (before, limit) => Promise.resolve(stale.all(before, limit).map(artifactRow)),
    removeUseless: (sha256, before) => write({ kind: 'artifact.remove_useless', sha256, before }),
    keepCheckpoint: (kept, account) => write({ kind: 'artifact.keep_checkpoint', checkpoint: kept, account }),
    checkpointOf(task) {
      const row = checkpoint.get(task);
      if (row === undefined) return Promise.resolve(undefined);
      return Promise.resolve({ task, attempt: row.attempt, sha256: row.sha256, sizeBytes: row.size_bytes });
    },
    listCheckpoints: (after, limit) => Promise.resolve(checkpoints.all(after ?? '', limit)),
    dropCheckpoint: (task) => write({ kind: 'artifact.drop_checkpoint', task }),
    keepLeft: (kept, account) => write({ kind: 'artifact.keep_left', left: kept, account }),
    leftBy: (task) => Promise.resolve(left.get(task)),
    dropLeft: (task) => write({ kind: 'artifact.drop_left', task }),
    ...broughtQueries(database),
    bring: (files) => write({ kind: 'artifact.bring', files }),
    dropBrought: (attempt) => write({ kind: 'artifact.drop_brought', attempt }),
  };
}
