/** `application_id` of our database files: "CAPA". */
export const applicationId = 0x43_41_50_41;

/**
 * The tables of format 1; later formats are made of it by migrations.ts, and it is never edited.
 *
 * Jobs are keyed by the index of their first event, accounts and nodes by order of appearance, so a replay gives the same
 * keys. Amounts are nano-CAPA, times Unix milliseconds. Codes of states stand in codes.ts, of reasons in the
 * table `reasons`.
 *
 * The log is stored a row per group: at full rate a row per event cost as much as all projections together. `entries` holds
 * canonical JSON, a line each; `hashes` their RFC 6962 leaf hashes. `merkle_nodes` holds the complete
 * subtrees of 256^level leaves (levels 1 and up): what a tile of the level above is made of.
 */
export const firstSchema = `
CREATE TABLE lease (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch INTEGER NOT NULL CHECK (epoch >= 0)
) STRICT;
INSERT INTO lease VALUES (1, 0);

CREATE TABLE log_groups (
  first INTEGER PRIMARY KEY CHECK (first >= 0),
  count INTEGER NOT NULL CHECK (count > 0),
  entries TEXT NOT NULL,
  hashes BLOB NOT NULL CHECK (length(hashes) = 32 * count)
) STRICT;
CREATE TABLE merkle_nodes (
  level INTEGER NOT NULL CHECK (level > 0),
  position INTEGER NOT NULL CHECK (position >= 0),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (level, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints (
  size INTEGER PRIMARY KEY,
  note TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;

CREATE TABLE reasons (
  code INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE accounts (
  num INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  available_nano INTEGER NOT NULL,
  held_nano INTEGER NOT NULL CHECK (held_nano >= 0),
  last_entry INTEGER,
  CHECK (available_nano >= 0 OR id IN ('emission', 'custody'))
) STRICT;
-- Entries of an account are a chain: accounts.last_entry, then previous. An index by account would dirty a page
-- for each account of a group, and cost more than everything else that a group writes.
CREATE TABLE ledger_entries (
  event INTEGER NOT NULL,
  account INTEGER NOT NULL,
  previous INTEGER CHECK (previous < event),
  kind INTEGER NOT NULL,
  at INTEGER NOT NULL,
  delta_nano INTEGER NOT NULL CHECK (delta_nano <> 0),
  job INTEGER,
  task INTEGER,
  PRIMARY KEY (event, account)
) STRICT, WITHOUT ROWID;
CREATE TABLE pays (
  job INTEGER NOT NULL,
  task INTEGER NOT NULL,
  event INTEGER NOT NULL,
  PRIMARY KEY (job, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE nodes (
  num INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  provider INTEGER NOT NULL,
  status INTEGER NOT NULL,
  cause TEXT NOT NULL,
  accepting INTEGER NOT NULL CHECK (accepting IN (0, 1)),
  offer TEXT,
  joined_at INTEGER NOT NULL
) STRICT;

CREATE TABLE jobs (
  num INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  account INTEGER NOT NULL,
  state INTEGER NOT NULL,
  resources TEXT NOT NULL,
  spec_hash TEXT NOT NULL,
  max_rate_nano INTEGER NOT NULL,
  total INTEGER NOT NULL,
  queued INTEGER NOT NULL CHECK (queued >= 0),
  active INTEGER NOT NULL CHECK (active >= 0),
  succeeded INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  expired INTEGER NOT NULL,
  submitted_at INTEGER NOT NULL,
  ended_at INTEGER,
  held_nano INTEGER NOT NULL CHECK (held_nano >= 0),
  charged_nano INTEGER NOT NULL CHECK (charged_nano >= 0),
  settled INTEGER NOT NULL CHECK (settled IN (0, 1)),
  CHECK (queued + active + succeeded + failed + cancelled + expired = total)
) STRICT;
CREATE INDEX jobs_of_account ON jobs (account, num);
CREATE INDEX jobs_by_state ON jobs (account, state, num);
CREATE INDEX jobs_live ON jobs (num) WHERE settled = 0;

CREATE TABLE tasks (
  job INTEGER NOT NULL,
  task INTEGER NOT NULL,
  state INTEGER NOT NULL,
  reason INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  node INTEGER,
  provider INTEGER,
  assigned_at INTEGER,
  running_at INTEGER,
  updated_at INTEGER NOT NULL,
  rate_nano INTEGER NOT NULL,
  PRIMARY KEY (job, task)
) STRICT, WITHOUT ROWID;

-- Attempts that have ended; the current one stands in its task.
CREATE TABLE attempts (
  job INTEGER NOT NULL,
  task INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  node INTEGER NOT NULL,
  provider INTEGER NOT NULL,
  reason INTEGER NOT NULL,
  exit_code INTEGER,
  metered_ms INTEGER,
  assigned_at INTEGER NOT NULL,
  running_at INTEGER,
  ended_at INTEGER NOT NULL,
  rate_nano INTEGER NOT NULL,
  charged_nano INTEGER NOT NULL CHECK (charged_nano >= 0),
  PRIMARY KEY (job, task, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_specs (
  job INTEGER PRIMARY KEY,
  spec TEXT NOT NULL,
  salt TEXT NOT NULL,
  name TEXT,
  image TEXT NOT NULL
) STRICT;
CREATE TABLE receipts (
  job INTEGER NOT NULL,
  task INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  hash TEXT NOT NULL,
  signed TEXT NOT NULL,
  PRIMARY KEY (job, task, attempt)
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
  session_key TEXT PRIMARY KEY,
  delegation TEXT NOT NULL,
  signature TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE api_keys (
  hash TEXT PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  account TEXT NOT NULL,
  scopes TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_of_account ON api_keys (account, created_at);
CREATE TABLE idempotency (
  account TEXT NOT NULL,
  key TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  status INTEGER NOT NULL,
  body TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (at);

CREATE TABLE artifacts (
  sha256 TEXT PRIMARY KEY,
  size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
  complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX artifacts_by_age ON artifacts (created_at);
-- job is '' where the artifact was uploaded for no job.
CREATE TABLE artifact_refs (
  sha256 TEXT NOT NULL REFERENCES artifacts ON DELETE CASCADE,
  account TEXT NOT NULL,
  job TEXT NOT NULL,
  PRIMARY KEY (sha256, account, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifact_refs_of_account ON artifact_refs (account, sha256);
`;
