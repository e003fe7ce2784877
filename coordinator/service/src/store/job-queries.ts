import type { Resources } from '@capacloud/protocol/capacity/resources';
import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import { type AccountId, type JobId, type NodeId, type Sha256Hex, taskIdOf } from '@capacloud/protocol/ids';
import { endedTaskStates, type TaskStateName } from '@capacloud/protocol/routes/states';
import type { AttemptRow, AttemptState, JobRow, TaskRow } from '../ports/read-store.ts';
import { type CodeTable, jobStateCodes, taskStateCodes } from './codes.ts';
import { endedAttempts, receiptHash } from './stored-receipt.ts';

/** Rows as SQLite gives them with safe integers: every number is a bigint. Amounts stay so. */
export interface StoredJob {
  readonly num: bigint;
  readonly id: JobId;
  readonly account: AccountId;
  readonly state: bigint;
  readonly resources: string;
  readonly spec_hash: Sha256Hex;
  readonly max_rate_nano: bigint;
  readonly total: bigint;
  readonly queued: bigint;
  readonly active: bigint;
  readonly succeeded: bigint;
  readonly failed: bigint;
  readonly cancelled: bigint;
  readonly expired: bigint;
  readonly submitted_at: bigint;
  readonly ended_at: bigint | null;
  readonly held_nano: bigint;
  readonly charged_nano: bigint;
  readonly name: string | null;
  readonly image: string | null;
}

export const selectJob = `SELECT j.*, a.id AS account, s.name, s.image FROM jobs j
  JOIN accounts a ON a.num = j.account LEFT JOIN job_specs s ON s.job = j.num`;

export function jobRow(row: StoredJob): JobRow {
  return {
    id: row.id,
    event: Number(row.num),
    account: row.account,
    state: jobStateCodes.nameOf(Number(row.state)),
    ...(row.name === null ? {} : { name: row.name }),
    image: row.image ?? '',
    resources: JSON.parse(row.resources) as Resources,
    specHash: row.spec_hash,
    maxRateNano: row.max_rate_nano,
    tasks: {
      total: Number(row.total),
      queued: Number(row.queued),
      active: Number(row.active),
      succeeded: Number(row.succeeded),
      failed: Number(row.failed),
      cancelled: Number(row.cancelled),
      expired: Number(row.expired),
    },
    submittedAt: Number(row.submitted_at),
    ...(row.ended_at === null ? {} : { endedAt: Number(row.ended_at) }),
    heldNano: row.held_nano,
    chargedNano: row.charged_nano,
  };
}

/** Of late jobs, and of the first tasks of each. Parameters: account and image. */
export const selectRunTimes = `SELECT a.metered_ms AS run_ms
  FROM (SELECT j.num FROM jobs j WHERE j.account = (SELECT num FROM accounts WHERE id = ?)
    ORDER BY j.num DESC LIMIT 64) late
  JOIN job_specs s ON s.job = late.num AND s.image = ?
  JOIN tasks t ON t.job = late.num AND t.task < 64
  JOIN attempts a ON a.event = t.ended AND a.task = t.task
  WHERE a.metered_ms IS NOT NULL LIMIT 256`;

export interface StoredTask {
  readonly job_id: JobId;
  readonly task: bigint;
  readonly state: bigint;
  readonly reason: bigint;
  readonly attempt: bigint;
  readonly node_id: NodeId | null;
  readonly updated_at: bigint;
  readonly exit_code: bigint | null;
  readonly charged_nano: bigint | null;
}

/** The node of the last attempt: the live one's, else that of the one which ended. */
export const selectTask = `SELECT j.id AS job_id, t.task, t.state, t.reason, t.attempt, t.updated_at,
    n.id AS node_id, e.exit_code, e.charged_nano
  FROM tasks t JOIN jobs j ON j.num = t.job
  LEFT JOIN attempts e ON e.event = t.ended AND e.task = t.task AND e.attempt = t.attempt
  LEFT JOIN nodes n ON n.num = coalesce(t.node, e.node)`;

export function taskRow(row: StoredTask, reasons: CodeTable<string>): TaskRow {
  const index = Number(row.task);
  return {
    id: taskIdOf(row.job_id, index),
    job: row.job_id,
    index,
    state: taskStateCodes.nameOf(Number(row.state)),
    reason: reasons.nameOf(Number(row.reason)) as TaskReason,
    attempts: Number(row.attempt),
    ...(row.node_id === null ? {} : { node: row.node_id }),
    ...(row.exit_code === null ? {} : { exitCode: Number(row.exit_code) }),
    chargedNano: row.charged_nano ?? 0n,
    updatedAt: Number(row.updated_at),
  };
}

export interface StoredAttempt {
  readonly job_id: JobId;
  readonly task: bigint;
  readonly attempt: bigint;
  readonly node_id: NodeId;
  readonly provider_id: AccountId;
  readonly reason: bigint;
  /** Of the live attempt's task; null for one that has ended. */
  readonly state: bigint | null;
  readonly exit_code: bigint | null;
  readonly metered_ms: bigint | null;
  readonly assigned_at: bigint;
  readonly running_at: bigint | null;
  readonly ended_at: bigint | null;
  readonly rate_nano: bigint;
  readonly charged_nano: bigint;
  /** Canonical JSON. */
  readonly receipt: string | null;
}

/** Those that have ended, latest first along their chain, and the live one out of its task. Parameters: job number and index, twice. */
export const selectAttempts = `WITH RECURSIVE ended AS (
    ${endedAttempts('a.*')}),
  each AS (
    SELECT job, task, attempt, node, provider, reason, NULL AS state, exit_code, metered_ms, assigned_at, running_at,
      ended_at, rate_nano, charged_nano, event FROM ended
    UNION ALL
    SELECT t.job, t.task, t.attempt, t.node, t.provider, t.reason, t.state, NULL, NULL, t.assigned_at, t.running_at,
      NULL, t.rate_nano, 0, NULL FROM tasks t WHERE t.job = ? AND t.task = ? AND t.node IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM ended e WHERE e.attempt = t.attempt))
  SELECT each.*, j.id AS job_id, n.id AS node_id, p.id AS provider_id, r.receipt FROM each
  JOIN jobs j ON j.num = each.job JOIN nodes n ON n.num = each.node JOIN accounts p ON p.num = each.provider
  LEFT JOIN late_receipts l ON l.job = each.job AND l.task = each.task AND l.attempt = each.attempt
  LEFT JOIN receipts r ON r.event = coalesce(l.event, each.event)`;

export function attemptRow(row: StoredAttempt, reasons: CodeTable<string>): AttemptRow {
  return {
    task: taskIdOf(row.job_id, Number(row.task)),
    attempt: Number(row.attempt),
    node: row.node_id,
    provider: row.provider_id,
    state: row.state === null ? 'ended' : liveState(taskStateCodes.nameOf(Number(row.state))),
    reason: reasons.nameOf(Number(row.reason)) as TaskReason,
    ...(row.exit_code === null ? {} : { exitCode: Number(row.exit_code) }),
    ...(row.receipt === null ? {} : { receipt: receiptHash(row.receipt) }),
    rateNano: row.rate_nano,
    chargedNano: row.charged_nano,
    ...(row.metered_ms === null ? {} : { meteredMs: Number(row.metered_ms) }),
    assignedAt: Number(row.assigned_at),
    ...(row.running_at === null ? {} : { runningAt: Number(row.running_at) }),
    ...(row.ended_at === null ? {} : { endedAt: Number(row.ended_at) }),
  };
}

function liveState(state: TaskStateName): AttemptState {
  if (endedTaskStates.includes(state) || state === 'queued') return 'ended';
  return state === 'verifying' ? 'uploading' : (state as AttemptState);
}
