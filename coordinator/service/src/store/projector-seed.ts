import type { LedgerAccount } from '@capacloud/core/slices/account/transfers';
import { type JobId, type NodeId, type TaskId, taskIdOf } from '@capacloud/protocol/ids';
import type Database from 'better-sqlite3';
import type { AccountEntry } from './account-book.ts';
import { CodeTable, jobStateCodes } from './codes.ts';
import type { LiveJobEntry } from './live-jobs.ts';
import type { NodeEntry } from './node-history.ts';

/** What a projector starts from: all of it is in the tables. */
export interface ProjectorSeed {
  readonly accounts: readonly AccountEntry[];
  /** Those that were forgotten and have attempts are among them. */
  readonly nodes: readonly (NodeEntry & { readonly isLive: boolean })[];
  readonly liveJobs: readonly (readonly [JobId, LiveJobEntry])[];
  readonly reasons: CodeTable<string>;
  /** Of tasks in the live state: the event that ended their latest attempt. */
  readonly ended: readonly (readonly [TaskId, number])[];
  /** In the order of their numbers, from 1. */
  readonly deviceClasses: readonly string[];
}

/** What the projections were when the last group was written. */
export function readProjectorSeed(database: Database.Database): ProjectorSeed {
  const accounts = database
    .prepare<
      [],
      { num: bigint; id: LedgerAccount; available_nano: bigint; held_nano: bigint; last_entry: bigint | null }
    >('SELECT num, id, available_nano, held_nano, last_entry FROM accounts ORDER BY num')
    .safeIntegers()
    .all()
    .map((row) => ({
      num: Number(row.num),
      id: row.id,
      availableNano: row.available_nano,
      heldNano: row.held_nano,
      lastEntry: row.last_entry === null ? undefined : Number(row.last_entry),
    }));
  const nodes = database
    .prepare<[], { num: number; id: NodeId; joinedAt: number; isUsed: number; isLive: number }>(
      'SELECT num, id, joined_at AS joinedAt, is_used AS isUsed, is_live AS isLive FROM nodes',
    )
    .all()
    .map((row) => ({ ...row, isUsed: row.isUsed === 1, isLive: row.isLive === 1 }));
  const deviceClasses = database
    .prepare<[], string>('SELECT name FROM device_classes ORDER BY num')
    .pluck()
    .all();
  const reasons = readReasons(database);
  const liveJobs = readLiveJobs(database);
  return { accounts, nodes, liveJobs, reasons, ended: readEnded(database), deviceClasses };
}

export function readReasons(database: Database.Database): CodeTable<string> {
  return new CodeTable(database.prepare<[], string>('SELECT name FROM reasons ORDER BY code').pluck().all());
}

function readEnded(database: Database.Database): (readonly [TaskId, number])[] {
  return database
    .prepare<[], { id: JobId; task: number; ended: number }>(
      `SELECT j.id, t.task, t.ended FROM jobs j JOIN tasks t ON t.job = j.num
       WHERE j.settled = 0 AND t.ended IS NOT NULL`,
    )
    .all()
    .map(({ id, task, ended }) => [taskIdOf(id, task), ended]);
}

function readLiveJobs(database: Database.Database): (readonly [JobId, LiveJobEntry])[] {
  return database
    .prepare<
      [],
      {
        num: bigint;
        id: JobId;
        state: bigint;
        active: bigint;
        held_nano: bigint;
        charged_nano: bigint;
        ended_at: bigint | null;
      }
    >(
      'SELECT num, id, state, active, held_nano, charged_nano, ended_at FROM jobs WHERE settled = 0 ORDER BY num',
    )
    .safeIntegers()
    .all()
    .map((row) => [
      row.id,
      {
        num: Number(row.num),
        state: jobStateCodes.nameOf(Number(row.state)),
        active: Number(row.active),
        heldNano: row.held_nano,
        chargedNano: row.charged_nano,
        endedAt: row.ended_at === null ? undefined : Number(row.ended_at),
      },
    ]);
}
