import type { NodeStatus } from '@capacloud/core/contract/event';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import { type AccountId, type JobId, type NodeId, taskIdOf } from '@capacloud/protocol/ids';
import type { AccountRow, LedgerEntryRow, NodeRow, SystemAccount } from '../ports/read-store.ts';
import { nodeStatusCodes, transferKindCodes } from './codes.ts';

export interface StoredAccount {
  readonly num: bigint;
  readonly id: AccountId | SystemAccount;
  readonly available_nano: bigint;
  readonly held_nano: bigint;
}

export function accountRow(row: StoredAccount): AccountRow {
  return { id: row.id, availableNano: row.available_nano, heldNano: row.held_nano };
}

export interface StoredEntry {
  readonly event: bigint;
  readonly previous: bigint | null;
  readonly kind: bigint;
  readonly at: bigint;
  readonly delta_nano: bigint;
  readonly task: bigint | null;
  readonly account_id: AccountId | SystemAccount;
  readonly job_id: JobId | null;
}

/** Walks the chain of an account from the entry of one event. Parameters: account, event, how many. */
export const selectEntries = `WITH RECURSIVE chain AS (
    SELECT l.*, 1 AS n FROM ledger_entries l
    WHERE l.account = (SELECT num FROM accounts WHERE id = ?) AND l.event = ?
    UNION ALL
    SELECT l.*, c.n + 1 FROM chain c JOIN ledger_entries l ON l.event = c.previous AND l.account = c.account
    WHERE c.n < ?)
  SELECT c.*, a.id AS account_id, j.id AS job_id FROM chain c JOIN accounts a ON a.num = c.account
  LEFT JOIN jobs j ON j.num = c.job ORDER BY c.event DESC`;

export function entryRow(row: StoredEntry): LedgerEntryRow {
  return {
    event: Number(row.event),
    at: Number(row.at),
    kind: transferKindCodes.nameOf(Number(row.kind)),
    account: row.account_id,
    deltaNano: row.delta_nano,
    ...(row.job_id === null ? {} : { job: row.job_id }),
    ...(row.job_id === null || row.task === null ? {} : { task: taskIdOf(row.job_id, Number(row.task)) }),
  };
}

export interface StoredNode {
  readonly num: bigint;
  readonly id: NodeId;
  readonly provider: AccountId;
  readonly status: bigint;
  readonly cause: string;
  readonly accepting: bigint;
  readonly offer: string | null;
  readonly joined_at: bigint;
}

/** Those that were forgotten are there for their attempts alone. */
export const selectNode = 'SELECT * FROM nodes n WHERE n.is_live = 1';

export function nodeRow(row: StoredNode): NodeRow {
  const status: NodeStatus = nodeStatusCodes.nameOf(Number(row.status));
  return {
    id: row.id,
    provider: row.provider,
    status,
    cause: row.cause,
    accepting: row.accepting === 1n,
    ...(row.offer === null ? {} : { offer: JSON.parse(row.offer) as Offer }),
    joinedAt: Number(row.joined_at),
  };
}
