import type Database from 'better-sqlite3';
import { rowRemover } from './private-rows.ts';
import type { ArtifactWrite, SideWrite } from './write-message.ts';

/** Writes what is durable beside the log: checkpoints, artifact metadata, and the removal of what has aged. */
export class SideWriter {
  readonly #run: (write: SideWrite) => void;

  constructor(database: Database.Database) {
    const addCheckpoint = database.prepare('INSERT OR IGNORE INTO checkpoints VALUES (?, ?, ?)');
    // The newest stays whatever its age: the next start checks the log against it.
    const pruneCheckpoints = database.prepare(
      'DELETE FROM checkpoints WHERE at < ? AND size < (SELECT max(size) FROM checkpoints)',
    );
    const pruneApiKeys = database.prepare('DELETE FROM api_keys WHERE coalesce(revoked_at, expires_at) < ?');
    const writeArtifact = artifactWriter(database);
    const removeRows = rowRemover(database);
    this.#run = (write) => {
      switch (write.kind) {
        case 'checkpoint':
          addCheckpoint.run(write.size, write.note, write.at);
          break;
        case 'prune':
          pruneCheckpoints.run(write.checkpointsBefore);
          // Nothing refers to a key that has been worth nothing for as long.
          pruneApiKeys.run(write.checkpointsBefore);
          break;
        case 'forget.job':
        case 'remove.jobs':
        case 'remove.job_artifacts':
        case 'remove.receipts':
        case 'remove.answers':
          removeRows(write);
          break;
        case 'artifact.put':
        case 'artifact.complete':
        case 'artifact.add_ref':
        case 'artifact.remove_ref':
        case 'artifact.remove_useless':
        case 'artifact.keep_checkpoint':
        case 'artifact.drop_checkpoint':
        case 'artifact.keep_left':
        case 'artifact.drop_left':
        case 'artifact.bring':
        case 'artifact.drop_brought':
          writeArtifact(write);
          break;
      }
    };
  }

  /** Inside a transaction. */
  write(write: SideWrite): void {
    this.#run(write);
  }
}

function artifactWriter(database: Database.Database): (write: ArtifactWrite) => void {
  const put = database.prepare(
    'INSERT OR IGNORE INTO artifacts (sha256, size_bytes, complete, created_at) VALUES (?, ?, 0, ?)',
  );
  const complete = database.prepare('UPDATE artifacts SET complete = 1 WHERE sha256 = ?');
  const addRef = database.prepare(
    'INSERT OR IGNORE INTO artifact_refs SELECT sha256, ?, ? FROM artifacts WHERE sha256 = ?',
  );
  const removeRef = database.prepare(
    'DELETE FROM artifact_refs WHERE account = ? AND job = ? AND sha256 = ?',
  );
  const removeUseless = database.prepare(
    'DELETE FROM artifacts WHERE sha256 = ? AND (refs = 0 OR (complete = 0 AND created_at < ?))',
  );
  const writeBrought = broughtWriter(database, put);
  const writeKept = keptWriter(database);
  return (write) => {
    switch (write.kind) {
      case 'artifact.put':
        put.run(write.ref.sha256, write.sizeBytes, write.at);
        addRef.run(write.ref.account, write.ref.job ?? '', write.ref.sha256);
        break;
      case 'artifact.complete':
        complete.run(write.sha256);
        break;
      case 'artifact.add_ref':
        addRef.run(write.ref.account, write.ref.job ?? '', write.ref.sha256);
        break;
      case 'artifact.remove_ref':
        removeRef.run(write.ref.account, write.ref.job ?? '', write.ref.sha256);
        break;
      case 'artifact.remove_useless':
        removeUseless.run(write.sha256, write.before);
        break;
      case 'artifact.bring':
      case 'artifact.drop_brought':
        writeBrought(write);
        break;
      case 'artifact.keep_checkpoint':
      case 'artifact.drop_checkpoint':
      case 'artifact.keep_left':
      case 'artifact.drop_left':
        writeKept(write);
        break;
    }
  };
}

type WriteOf<K extends ArtifactWrite['kind']> = Extract<ArtifactWrite, { readonly kind: K }>;

/** Of what is kept for a task, beside the outputs of its success. */
function keptWriter(
  database: Database.Database,
): (
  write: WriteOf<
    'artifact.keep_checkpoint' | 'artifact.drop_checkpoint' | 'artifact.keep_left' | 'artifact.drop_left'
  >,
) => void {
  // Not by an upsert: its policy would be that of the triggers as well, where an account is added that is there.
  const dropOlder = database.prepare(
    `DELETE FROM task_checkpoints WHERE task = ? AND attempt <= ?
      AND EXISTS (SELECT 1 FROM artifacts WHERE sha256 = ?)`,
  );
  const keepCheckpoint = database.prepare(
    'INSERT OR IGNORE INTO task_checkpoints SELECT ?, ?, ?, sha256 FROM artifacts WHERE sha256 = ?',
  );
  const dropCheckpoint = database.prepare('DELETE FROM task_checkpoints WHERE task = ?');
  const newerLeft = database.prepare('SELECT 1 FROM left_outputs WHERE task = ? AND attempt > ?');
  const dropLeft = database.prepare('DELETE FROM left_outputs WHERE task = ?');
  const keepLeft = database.prepare(
    'INSERT OR IGNORE INTO left_outputs SELECT ?, sha256, ?, ? FROM artifacts WHERE sha256 = ?',
  );
  return (write) => {
    switch (write.kind) {
      case 'artifact.keep_checkpoint': {
        const { attempt, sha256, task } = write.checkpoint;
        dropOlder.run(task, attempt, sha256);
        keepCheckpoint.run(task, attempt, write.account, sha256);
        break;
      }
      case 'artifact.drop_checkpoint':
        dropCheckpoint.run(write.task);
        break;
      case 'artifact.keep_left': {
        const { attempt, sha256s, task } = write.left;
        if (newerLeft.get(task, attempt) !== undefined) break;
        dropLeft.run(task);
        for (const sha256 of sha256s) keepLeft.run(task, attempt, write.account, sha256);
        break;
      }
      case 'artifact.drop_left':
        dropLeft.run(write.task);
        break;
    }
  };
}

/** Of what nodes uploaded for their attempts. */
function broughtWriter(
  database: Database.Database,
  put: Database.Statement<unknown[]>,
): (write: WriteOf<'artifact.bring' | 'artifact.drop_brought'>) => void {
  const bring = database.prepare('INSERT OR IGNORE INTO brought_outputs VALUES (?, ?, ?, ?, ?)');
  const drop = database.prepare('DELETE FROM brought_outputs WHERE task = ? AND attempt = ?');
  return (write) => {
    if (write.kind === 'artifact.drop_brought') {
      drop.run(write.attempt.task, write.attempt.attempt);
      return;
    }
    for (const { at, attempt, node, sha256, sizeBytes, task } of write.files) {
      put.run(sha256, sizeBytes, at);
      bring.run(task, attempt, sha256, node, at);
    }
  };
}
