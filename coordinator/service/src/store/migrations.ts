import type Database from 'better-sqlite3';
import { keptBytes } from './kept-migration.ts';
import { marketHistory } from './market-migration.ts';

/**
 * How much an account and all together have stored was summed up at each announcement, and what nobody refers to was
 * looked for among all: both on the event loop, in time that grows with what is stored.
 */
const artifactUsage = `
ALTER TABLE artifacts ADD COLUMN refs INTEGER NOT NULL DEFAULT 0 CHECK (refs >= 0);
UPDATE artifacts SET refs = (SELECT count(*) FROM artifact_refs r WHERE r.sha256 = artifacts.sha256);
DROP INDEX artifacts_by_age;
CREATE INDEX artifacts_stale ON artifacts (created_at) WHERE complete = 0 OR refs = 0;

-- Bytes of the distinct artifacts that an account refers to; of all artifacts under ''.
CREATE TABLE artifact_usage (
  account TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO artifact_usage SELECT '', coalesce(sum(size_bytes), 0) FROM artifacts;
INSERT INTO artifact_usage SELECT r.account, sum(a.size_bytes)
  FROM (SELECT DISTINCT account, sha256 FROM artifact_refs) r JOIN artifacts a ON a.sha256 = r.sha256 GROUP BY r.account;

CREATE TRIGGER artifact_added AFTER INSERT ON artifacts BEGIN
  UPDATE artifact_usage SET bytes = bytes + new.size_bytes WHERE account = '';
END;
-- Before the cascade: what is taken from the accounts is the size that is still there.
CREATE TRIGGER artifact_removed BEFORE DELETE ON artifacts BEGIN
  DELETE FROM artifact_refs WHERE sha256 = old.sha256;
  UPDATE artifact_usage SET bytes = bytes - old.size_bytes WHERE account = '';
END;
CREATE TRIGGER artifact_ref_added AFTER INSERT ON artifact_refs BEGIN
  INSERT OR IGNORE INTO artifact_usage VALUES (new.account, 0);
  UPDATE artifact_usage SET bytes = bytes + (SELECT size_bytes FROM artifacts WHERE sha256 = new.sha256)
    WHERE account = new.account AND NOT EXISTS (
      SELECT 1 FROM artifact_refs WHERE sha256 = new.sha256 AND account = new.account AND job <> new.job);
  UPDATE artifacts SET refs = refs + 1 WHERE sha256 = new.sha256;
END;
CREATE TRIGGER artifact_ref_removed AFTER DELETE ON artifact_refs BEGIN
  UPDATE artifact_usage SET bytes = bytes - (SELECT size_bytes FROM artifacts WHERE sha256 = old.sha256)
    WHERE account = old.account AND NOT EXISTS (
      SELECT 1 FROM artifact_refs WHERE sha256 = old.sha256 AND account = old.account);
  UPDATE artifacts SET refs = refs - 1 WHERE sha256 = old.sha256;
END;
`;

/**
 * A node resumes its session with its newest delegation, and with no other. The delegations by session key that were
 * here before tell nothing that the signed receipts do not.
 */
const nodeSessions = `
DROP TABLE sessions;
CREATE TABLE node_sessions (
  node TEXT PRIMARY KEY,
  delegation TEXT NOT NULL,
  signature TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

/**
 * A signed receipt was kept as it is shown: with the delegation, which all of a session share, and with its own hash.
 * At more than 1,000 bytes a row, SQLite gave each a page of its own. And attempts, receipts and pays stood in the order
 * of jobs and tasks: with forty jobs under way, each group touched a page of each job three times over. What has ended
 * is now kept in the order in which it ended, and found from its task: `tasks.ended`, then `previous`.
 */
const historyInOrder = `
CREATE TABLE delegations (
  digest TEXT PRIMARY KEY,
  delegation TEXT NOT NULL,
  signature TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO delegations SELECT 'format-1-' || row_number() OVER (), delegation, signature FROM (
  SELECT DISTINCT json_extract(signed, '$.delegation') AS delegation,
    json_extract(signed, '$.delegationSignature') AS signature FROM receipts);

ALTER TABLE tasks ADD COLUMN paid INTEGER NOT NULL DEFAULT 0 CHECK (paid <= 1);
ALTER TABLE tasks ADD COLUMN ended INTEGER;
ALTER TABLE attempts RENAME TO first_attempts;
ALTER TABLE receipts RENAME TO first_receipts;

-- event is the index of the event that ended the attempt; those of format 1 did not keep it, and have numbers below 0.
CREATE TABLE attempts (
  event INTEGER NOT NULL,
  task INTEGER NOT NULL,
  job INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  node INTEGER NOT NULL,
  provider INTEGER NOT NULL,
  reason INTEGER NOT NULL,
  exit_code INTEGER,
  metered_ms INTEGER,
  assigned_at INTEGER NOT NULL,
  running_at INTEGER,
  ended_at INTEGER NOT NULL,
  previous INTEGER CHECK (previous < event),
  rate_nano INTEGER NOT NULL,
  charged_nano INTEGER NOT NULL CHECK (charged_nano >= 0),
  PRIMARY KEY (event, task)
) STRICT, WITHOUT ROWID;
INSERT INTO attempts SELECT event, task, job, attempt, node, provider, reason, exit_code, metered_ms, assigned_at,
    running_at, ended_at, lag(event) OVER (PARTITION BY job, task ORDER BY attempt), rate_nano, charged_nano
  FROM (SELECT *, row_number() OVER (ORDER BY ended_at, job, task, attempt) - 1 - (SELECT count(*) FROM first_attempts)
    AS event FROM first_attempts);
CREATE TEMP TABLE attempt_keys (job INTEGER, task INTEGER, attempt INTEGER, event INTEGER,
  PRIMARY KEY (job, task, attempt)) WITHOUT ROWID;
INSERT INTO attempt_keys SELECT job, task, attempt, event FROM attempts;
UPDATE tasks SET
  ended = (SELECT event FROM attempt_keys k WHERE k.job = tasks.job AND k.task = tasks.task ORDER BY attempt DESC LIMIT 1),
  paid = EXISTS (SELECT 1 FROM pays p WHERE p.job = tasks.job AND p.task = tasks.task);

-- By the event that the receipt came with.
CREATE TABLE receipts (
  event INTEGER PRIMARY KEY,
  position INTEGER NOT NULL CHECK (position >= 0),
  size INTEGER NOT NULL CHECK (size > position),
  delegation TEXT NOT NULL REFERENCES delegations,
  receipt TEXT NOT NULL,
  path TEXT NOT NULL,
  signature TEXT NOT NULL
) STRICT;
INSERT INTO receipts SELECT k.event, json_extract(r.signed, '$.batch.index'), json_extract(r.signed, '$.batch.size'),
    d.digest, json_extract(r.signed, '$.receipt'),
    (SELECT coalesce(group_concat(value, ''), '') FROM json_each(r.signed, '$.batch.path')),
    json_extract(r.signed, '$.batch.signature')
  FROM first_receipts r JOIN attempt_keys k USING (job, task, attempt)
  JOIN delegations d ON d.delegation = json_extract(r.signed, '$.delegation')
    AND d.signature = json_extract(r.signed, '$.delegationSignature');
-- Of attempts that had ended before their nodes had a word.
CREATE TABLE late_receipts (
  job INTEGER NOT NULL,
  task INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  event INTEGER NOT NULL REFERENCES receipts,
  PRIMARY KEY (job, task, attempt)
) STRICT, WITHOUT ROWID;

DROP TABLE attempt_keys;
DROP TABLE first_receipts;
DROP TABLE first_attempts;
DROP TABLE pays;
CREATE VIEW pays AS SELECT job, task, ended AS event FROM tasks WHERE paid = 1;
`;

/**
 * What attempts that made way had in their checkpoint folders: of each task the newest. The account of its consumer refers
 * to it under the id of the task, so that it is in nobody's way who refers to the same bytes.
 */
const taskCheckpoints = `
CREATE TABLE task_checkpoints (
  task TEXT PRIMARY KEY,
  attempt INTEGER NOT NULL,
  account TEXT NOT NULL,
  sha256 TEXT NOT NULL REFERENCES artifacts ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX task_checkpoints_of_artifact ON task_checkpoints (sha256);
CREATE TRIGGER task_checkpoint_kept AFTER INSERT ON task_checkpoints BEGIN
  INSERT OR IGNORE INTO artifact_refs VALUES (new.sha256, new.account, new.task);
END;
CREATE TRIGGER task_checkpoint_dropped AFTER DELETE ON task_checkpoints BEGIN
  DELETE FROM artifact_refs WHERE sha256 = old.sha256 AND account = old.account AND job = old.task;
END;
`;

/**
 * Outputs of attempts that did not succeed: of each task those of the newest that brought any, until it succeeds. The account
 * of its consumer refers to them under a name of their own, so that the outputs of a success, which the job refers to, and
 * those of other tasks stay when these are dropped.
 */
const leftOutputs = `
CREATE TABLE left_outputs (
  task TEXT NOT NULL,
  sha256 TEXT NOT NULL REFERENCES artifacts ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  account TEXT NOT NULL,
  PRIMARY KEY (task, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX left_outputs_of_artifact ON left_outputs (sha256);
CREATE TRIGGER left_output_kept AFTER INSERT ON left_outputs BEGIN
  INSERT OR IGNORE INTO artifact_refs VALUES (new.sha256, new.account, new.task || '#left');
END;
CREATE TRIGGER left_output_dropped AFTER DELETE ON left_outputs BEGIN
  DELETE FROM artifact_refs WHERE sha256 = old.sha256 AND account = old.account AND job = old.task || '#left';
END;
`;

/**
 * A node that joined had an account opened for whomever it named, and the row of a node was for ever. Now its provider stands in
 * the row as it is, because the account may come later, and the row goes when the node is forgotten. Where attempts refer to it
 * it stays, and `is_live` is 0.
 */
const forgottenNodes = `
ALTER TABLE nodes RENAME TO first_nodes;
CREATE TABLE nodes (
  num INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  provider TEXT NOT NULL,
  status INTEGER NOT NULL,
  cause TEXT NOT NULL,
  accepting INTEGER NOT NULL CHECK (accepting IN (0, 1)),
  offer TEXT,
  joined_at INTEGER NOT NULL,
  is_used INTEGER NOT NULL CHECK (is_used IN (0, 1)),
  is_live INTEGER NOT NULL CHECK (is_live IN (0, 1))
) STRICT;
INSERT INTO nodes SELECT n.num, n.id, a.id, n.status, n.cause, n.accepting, n.offer, n.joined_at, 1, 1
  FROM first_nodes n JOIN accounts a ON a.num = n.provider;
DROP TABLE first_nodes;
`;

/**
 * What nodes uploaded for their attempts was referred to by the account of the provider, which a node names as it likes. It
 * belongs to the attempt alone until the account of the consumer has a claim to it.
 */
const broughtOutputs = `
CREATE TABLE brought_outputs (
  task TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  sha256 TEXT NOT NULL REFERENCES artifacts ON DELETE CASCADE,
  node TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (task, attempt, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX brought_outputs_of_artifact ON brought_outputs (sha256);
CREATE TRIGGER brought_output_added AFTER INSERT ON brought_outputs BEGIN
  UPDATE artifacts SET refs = refs + 1 WHERE sha256 = new.sha256;
END;
CREATE TRIGGER brought_output_dropped AFTER DELETE ON brought_outputs BEGIN
  UPDATE artifacts SET refs = refs - 1 WHERE sha256 = old.sha256;
END;
`;

/**
 * What took the database from one format to the next, in order: the first leads from format 1 to 2. An entry that a
 * release has shipped is never edited; a change of tables is one more entry. A new database is made by `firstSchema`
 * and all of them, so that an upgraded one cannot differ from it.
 */
const migrations: readonly string[] = [
  artifactUsage,
  nodeSessions,
  historyInOrder,
  marketHistory,
  taskCheckpoints,
  leftOutputs,
  forgottenNodes,
  broughtOutputs,
  keptBytes,
];

/** `user_version`. A release opens files up to its own version and refuses newer ones. */
export const schemaVersion = 1 + migrations.length;

/** Inside a transaction. Events and hashes of the log are the same in every format. */
export function migrate(database: Database.Database, from: number): void {
  for (const migration of migrations.slice(from - 1)) database.exec(migration);
  database.pragma(`user_version = ${schemaVersion}`);
}
