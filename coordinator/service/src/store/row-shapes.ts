/** n: a number or null; a: a 64-bit amount; t: text or null. */
export type ColumnKind = 'n' | 'a' | 't';

/** A write of many rows: `head VALUES (…), (…) tail`. Columns of numbers come first, then amounts, then texts. */
export interface RowShape {
  readonly head: string;
  readonly columns: readonly (readonly [name: string, kind: ColumnKind])[];
  readonly tail?: string;
}

/**
 * `fixed` columns never change, and naming them in an update would touch their indexes for nothing; `summed` ones are
 * added to what is there.
 */
function upsert(
  table: string,
  keys: readonly string[],
  columns: RowShape['columns'],
  fixed: readonly string[] = [],
  summed: readonly string[] = [],
): RowShape {
  const changed = columns
    .map(([name]) => name)
    .filter((name) => !keys.includes(name) && !fixed.includes(name));
  return {
    head: `INSERT INTO ${table} (${columns.map(([name]) => name).join(', ')})`,
    columns,
    tail: `ON CONFLICT (${keys.join(', ')}) DO UPDATE SET ${changed
      .map((name) => `${name} = ${summed.includes(name) ? `${table}.${name} + ` : ''}excluded.${name}`)
      .join(', ')}`,
  };
}

function insert(table: string, columns: RowShape['columns']): RowShape {
  return { head: `INSERT INTO ${table} (${columns.map(([name]) => name).join(', ')})`, columns };
}

function removal(table: string, key: string, kind: ColumnKind): RowShape {
  return {
    head: `WITH removed (${key}) AS (`,
    columns: [[key, kind]],
    tail: `) DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM removed)`,
  };
}

/** Of one bucket of the price history. */
export const mostCharged = 9n * 10n ** 18n;

/** In the order in which a group writes them. An insert that meets its key is a violated invariant, not an update. */
export const rowShapes = {
  accounts: upsert(
    'accounts',
    ['num'],
    [
      ['num', 'n'],
      ['last_entry', 'n'],
      ['available_nano', 'a'],
      ['held_nano', 'a'],
      ['id', 't'],
    ],
    ['id'],
  ),
  // Before the rows of nodes: one that is forgotten may join again in the same group.
  nodeRemovals: removal('nodes', 'num', 'n'),
  sessionRemovals: removal('node_sessions', 'node', 't'),
  nodes: upsert(
    'nodes',
    ['num'],
    [
      ['num', 'n'],
      ['status', 'n'],
      ['accepting', 'n'],
      ['joined_at', 'n'],
      ['is_used', 'n'],
      ['is_live', 'n'],
      ['id', 't'],
      ['provider', 't'],
      ['cause', 't'],
      ['offer', 't'],
    ],
    ['id'],
  ),
  jobs: insert('jobs', [
    ['num', 'n'],
    ['account', 'n'],
    ['state', 'n'],
    ['queued', 'n'],
    ['active', 'n'],
    ['succeeded', 'n'],
    ['failed', 'n'],
    ['cancelled', 'n'],
    ['expired', 'n'],
    ['ended_at', 'n'],
    ['total', 'n'],
    ['submitted_at', 'n'],
    ['settled', 'n'],
    ['max_rate_nano', 'a'],
    ['held_nano', 'a'],
    ['charged_nano', 'a'],
    ['id', 't'],
    ['resources', 't'],
    ['spec_hash', 't'],
  ]),
  jobTasks: {
    head: `WITH RECURSIVE fresh (job, total, reason, at) AS (`,
    columns: [
      ['job', 'n'],
      ['total', 'n'],
      ['reason', 'n'],
      ['at', 'n'],
    ],
    tail: `), each (job, task, total, reason, at) AS (
  SELECT job, 0, total, reason, at FROM fresh
  UNION ALL SELECT job, task + 1, total, reason, at FROM each WHERE task + 1 < total)
INSERT INTO tasks (job, task, state, reason, attempt, updated_at, rate_nano)
SELECT job, task, 0, reason, 0, at, 0 FROM each`,
  },
  jobChanges: {
    head: `WITH changed (num, state, queued, active, succeeded, failed, cancelled, expired, ended_at, settled, held_nano, charged_nano) AS (`,
    columns: [
      ['num', 'n'],
      ['state', 'n'],
      ['queued', 'n'],
      ['active', 'n'],
      ['succeeded', 'n'],
      ['failed', 'n'],
      ['cancelled', 'n'],
      ['expired', 'n'],
      ['ended_at', 'n'],
      ['settled', 'n'],
      ['held_nano', 'a'],
      ['charged_nano', 'a'],
    ],
    tail: `) UPDATE jobs SET state = c.state, queued = c.queued, active = c.active, succeeded = c.succeeded,
failed = c.failed, cancelled = c.cancelled, expired = c.expired, ended_at = c.ended_at, held_nano = c.held_nano,
charged_nano = c.charged_nano, settled = c.settled FROM changed c WHERE jobs.num = c.num`,
  },
  tasks: upsert(
    'tasks',
    ['job', 'task'],
    [
      ['job', 'n'],
      ['task', 'n'],
      ['state', 'n'],
      ['reason', 'n'],
      ['attempt', 'n'],
      ['node', 'n'],
      ['provider', 'n'],
      ['assigned_at', 'n'],
      ['running_at', 'n'],
      ['updated_at', 'n'],
      ['ended', 'n'],
      ['paid', 'n'],
      ['rate_nano', 'a'],
    ],
    [],
    // Adds up, so that a second pay breaks the table's check.
    ['paid'],
  ),
  attempts: insert('attempts', [
    ['event', 'n'],
    ['task', 'n'],
    ['job', 'n'],
    ['attempt', 'n'],
    ['node', 'n'],
    ['provider', 'n'],
    ['reason', 'n'],
    ['exit_code', 'n'],
    ['metered_ms', 'n'],
    ['assigned_at', 'n'],
    ['running_at', 'n'],
    ['ended_at', 'n'],
    ['previous', 'n'],
    ['class', 'n'],
    ['units', 'n'],
    ['rate_nano', 'a'],
    ['charged_nano', 'a'],
    ['pay_nano', 'a'],
  ]),
  deviceClasses: insert('device_classes', [
    ['num', 'n'],
    ['name', 't'],
  ]),
  priceBuckets: {
    ...insert('price_buckets', [
      ['span', 'n'],
      ['class', 'n'],
      ['start', 'n'],
      ['trades', 'n'],
      ['volume_ms', 'n'],
      ['min_nano', 'a'],
      ['max_nano', 'a'],
      ['charged_nano', 'a'],
    ]),
    // A sum that left 64 bits would end the coordinator: it stays at the bound.
    tail: `ON CONFLICT (span, class, start) DO UPDATE SET trades = trades + excluded.trades,
volume_ms = volume_ms + excluded.volume_ms, min_nano = min(min_nano, excluded.min_nano),
max_nano = max(max_nano, excluded.max_nano), charged_nano = min(${mostCharged}, charged_nano + excluded.charged_nano)`,
  },
  ledgerEntries: insert('ledger_entries', [
    ['event', 'n'],
    ['account', 'n'],
    ['previous', 'n'],
    ['kind', 'n'],
    ['at', 'n'],
    ['job', 'n'],
    ['task', 'n'],
    ['delta_nano', 'a'],
  ]),
  jobSpecs: insert('job_specs', [
    ['job', 'n'],
    ['spec', 't'],
    ['salt', 't'],
    ['name', 't'],
    ['image', 't'],
  ]),
  // Before the receipts, which refer to them: shapes are written in this order.
  delegations: {
    ...insert('delegations', [
      ['digest', 't'],
      ['delegation', 't'],
      ['signature', 't'],
    ]),
    tail: 'ON CONFLICT DO NOTHING',
  },
  receipts: insert('receipts', [
    ['event', 'n'],
    ['position', 'n'],
    ['size', 'n'],
    ['delegation', 't'],
    ['receipt', 't'],
    ['path', 't'],
    ['signature', 't'],
  ]),
  lateReceipts: insert('late_receipts', [
    ['job', 'n'],
    ['task', 'n'],
    ['attempt', 'n'],
    ['event', 'n'],
  ]),
  sessions: upsert(
    'node_sessions',
    ['node'],
    [
      ['node', 't'],
      ['delegation', 't'],
      ['signature', 't'],
    ],
  ),
  apiKeys: insert('api_keys', [
    ['created_at', 'n'],
    ['expires_at', 'n'],
    ['hash', 't'],
    ['id', 't'],
    ['account', 't'],
    ['scopes', 't'],
    ['name', 't'],
  ]),
  apiKeyRevocations: {
    head: 'WITH revoked (at, id) AS (',
    columns: [
      ['at', 'n'],
      ['id', 't'],
    ],
    tail: ') UPDATE api_keys SET revoked_at = r.at FROM revoked r WHERE api_keys.id = r.id AND revoked_at IS NULL',
  },
  idempotency: upsert(
    'idempotency',
    ['account', 'key'],
    [
      ['status', 'n'],
      ['at', 'n'],
      ['account', 't'],
      ['key', 't'],
      ['request_hash', 't'],
      ['body', 't'],
    ],
  ),
} as const satisfies Record<string, RowShape>;

export type RowShapeName = keyof typeof rowShapes;
export const rowShapeNames = Object.keys(rowShapes) as readonly RowShapeName[];

export function isRowShapeName(name: string): name is RowShapeName {
  return Object.hasOwn(rowShapes, name);
}
