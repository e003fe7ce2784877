import { hash } from 'node:crypto';
import type { Sha256Hex } from '@capacloud/protocol/ids';

/** A receipt as its table keeps it: what several share stands once, what follows from the rest not at all. */
export interface StoredReceipt {
  /** Canonical JSON. */
  readonly receipt: string;
  readonly position: bigint;
  readonly size: bigint;
  /** Sibling hashes, hex, one after another. */
  readonly path: string;
  readonly signature: string;
  readonly delegation: string;
  readonly delegation_signature: string;
}

/** Body of a recursive table `ended` of a task's attempts, latest first. Parameters: job number, index of the task. */
export function endedAttempts(columns: string): string {
  return `SELECT ${columns} FROM tasks t JOIN attempts a ON a.event = t.ended AND a.task = t.task
      WHERE t.job = ? AND t.task = ?
    UNION ALL SELECT ${columns} FROM ended e JOIN attempts a ON a.event = e.previous AND a.task = e.task`;
}

/** Parameters: job number and index of the task, twice, then the attempt, twice. */
export const selectReceipt = `WITH RECURSIVE ended AS (
    ${endedAttempts('a.event, a.task, a.attempt, a.previous')})
  SELECT r.receipt, r.position, r.size, r.path, r.signature, d.delegation, d.signature AS delegation_signature
  FROM receipts r JOIN delegations d ON d.digest = r.delegation
  WHERE r.event = coalesce((SELECT event FROM late_receipts WHERE job = ? AND task = ? AND attempt = ?),
    (SELECT event FROM ended WHERE attempt = ?))`;

export function receiptHash(receipt: string): Sha256Hex {
  return hash('sha256', receipt, 'hex') as Sha256Hex;
}

/** The SignedReceipt as JSON: all that a third party needs. */
export function signedReceipt(row: StoredReceipt): string {
  const path = row.path.match(/.{64}/g) ?? [];
  const signature = JSON.stringify(row.signature);
  const batch = `{"index":${row.position},"size":${row.size},"path":${JSON.stringify(path)},"signature":${signature}}`;
  const delegation = `"delegation":${row.delegation},"delegationSignature":${JSON.stringify(row.delegation_signature)}`;
  return `{"receipt":${row.receipt},"hash":"${receiptHash(row.receipt)}","batch":${batch},${delegation}}`;
}
