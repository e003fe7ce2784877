import type { AccountId, JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import { jobIdOf, taskIndexOf } from '@capacloud/protocol/ids';
import type { TaskStateName } from '@capacloud/protocol/routes/states';
import type Database from 'better-sqlite3';
import type {
  AttemptRow,
  JobFilter,
  JobRow,
  KeptBytes,
  NodeFilter,
  Paged,
  PageRequest,
  ReadStore,
  TaskRow,
} from '../ports/read-store.ts';
import {
  accountRow,
  entryRow,
  nodeRow,
  type StoredAccount,
  type StoredEntry,
  type StoredNode,
  selectEntries,
  selectNode,
} from './account-queries.ts';
import { type CodeTable, jobStateCodes, taskStateCodes } from './codes.ts';
import {
  attemptRow,
  jobRow,
  type StoredAttempt,
  type StoredJob,
  type StoredTask,
  selectAttempts,
  selectJob,
  selectRunTimes,
  selectTask,
  taskRow,
} from './job-queries.ts';
import { searchJobs } from './job-search.ts';
import { keyReads } from './key-queries.ts';
import { marketReads } from './market-queries.ts';
import { cursorOf, pageOf, rowsToRead } from './page-cursor.ts';
import { receiptHash, type StoredReceipt, selectReceipt, signedReceipt } from './stored-receipt.ts';

/** Attempts of one task that are shown; a task's budgets keep it far below. */
const maxAttempts = 1000;
const beyond = Number.MAX_SAFE_INTEGER;

/** Reads the projections through a connection of this thread. Every read is one indexed query of bounded size. */
export function createReadStore(database: Database.Database, reasons: CodeTable<string>): ReadStore {
  const statements = new Map<string, Database.Statement<unknown[]>>();
  const prepared = (sql: string): Database.Statement<unknown[]> => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = database.prepare(sql).safeIntegers();
      statements.set(sql, statement);
    }
    return statement;
  };
  const all = <R>(sql: string, ...values: unknown[]) => prepared(sql).all(...values) as R[];
  const one = <R>(sql: string, ...values: unknown[]) => prepared(sql).get(...values) as R | undefined;
  const jobNum = (job: JobId) => one<{ num: bigint }>('SELECT num FROM jobs WHERE id = ?', job)?.num;
  return {
    ...jobReads(all, one),
    ...taskReads(all, one, jobNum, reasons),
    ...nodeReads(all, one),
    ...marketReads(all, reasons),
    ...ledgerReads(all, one),
    ...keyReads(all, one),
    ...keptReads(all),
    ...privateReads(one, jobNum),
  };
}

type All = <R>(sql: string, ...values: unknown[]) => R[];
type One = <R>(sql: string, ...values: unknown[]) => R | undefined;
type JobNum = (job: JobId) => bigint | undefined;
type Part<K extends keyof ReadStore> = Pick<ReadStore, K>;

function jobReads(all: All, one: One): Part<'listJobs' | 'getJob' | 'listRunTimes'> {
  return {
    async listJobs(account: AccountId, filter: JobFilter, page: PageRequest): Paged<JobRow> {
      const before = cursorOf(page, beyond);
      if (before === undefined) return undefined;
      if (filter.idPrefix !== undefined || filter.name !== undefined)
        return searchJobs(all, account, filter, page, before);
      const where = 'WHERE j.account = (SELECT num FROM accounts WHERE id = ?) AND j.num < ?';
      const rest = [before, rowsToRead(page)];
      const rows =
        filter.state === undefined
          ? all<StoredJob>(`${selectJob} ${where} ORDER BY j.num DESC LIMIT ?`, account, ...rest)
          : all<StoredJob>(
              `${selectJob} ${where} AND j.state = ? ORDER BY j.num DESC LIMIT ?`,
              account,
              before,
              jobStateCodes.codeOf(filter.state),
              rowsToRead(page),
            );
      return pageOf(rows, page, jobRow, (row) => Number(row.num));
    },
    async getJob(job: JobId) {
      const row = one<StoredJob>(`${selectJob} WHERE j.id = ?`, job);
      return row === undefined ? undefined : jobRow(row);
    },
    async listRunTimes(account: AccountId, image: string) {
      return all<{ run_ms: bigint }>(selectRunTimes, account, image).map(({ run_ms }) => Number(run_ms));
    },
  };
}

function taskReads(
  all: All,
  one: One,
  jobNum: JobNum,
  reasons: CodeTable<string>,
): Part<'listTasks' | 'getTask' | 'listAttempts' | 'getAttempt'> {
  const attempts = (task: TaskId): readonly AttemptRow[] => {
    const key = [jobNum(jobIdOf(task)), taskIndexOf(task)];
    if (key[0] === undefined) return [];
    return all<StoredAttempt>(
      `${selectAttempts} ORDER BY each.attempt DESC LIMIT ${maxAttempts}`,
      ...key,
      ...key,
    )
      .reverse()
      .map((row) => attemptRow(row, reasons));
  };
  return {
    async listTasks(
      job: JobId,
      filter: { readonly state?: TaskStateName },
      page: PageRequest,
    ): Paged<TaskRow> {
      const from = cursorOf(page, 0);
      if (from === undefined) return undefined;
      const num = jobNum(job);
      if (num === undefined) return { items: [], cursors: [] };
      const state = filter.state === undefined ? -1 : taskStateCodes.codeOf(filter.state);
      const rows = all<StoredTask>(
        `${selectTask} WHERE t.job = ? AND t.task >= ? AND (? = -1 OR t.state = ?) ORDER BY t.task LIMIT ?`,
        num,
        from,
        state,
        state,
        rowsToRead(page),
      );
      return pageOf(
        rows,
        page,
        (row) => taskRow(row, reasons),
        (row) => Number(row.task) + 1,
      );
    },
    async getTask(task: TaskId) {
      const num = jobNum(jobIdOf(task));
      const row = one<StoredTask>(
        `${selectTask} WHERE t.job = ? AND t.task = ?`,
        num ?? -1,
        taskIndexOf(task),
      );
      return row === undefined ? undefined : taskRow(row, reasons);
    },
    async listAttempts(task: TaskId) {
      return attempts(task);
    },
    async getAttempt(task: TaskId, attempt: number) {
      return attempts(task).find((each) => each.attempt === attempt);
    },
  };
}

function nodeReads(all: All, one: One): Part<'listNodes' | 'getNode'> {
  return {
    async listNodes(page: PageRequest, filter: NodeFilter = {}) {
      const after = cursorOf(page, 0);
      if (after === undefined) return undefined;
      const { idPrefix } = filter;
      const rows =
        idPrefix === undefined
          ? all<StoredNode>(`${selectNode} AND n.num > ? ORDER BY n.num LIMIT ?`, after, rowsToRead(page))
          : all<StoredNode>(
              // Hexadecimal digits come before ~.
              `${selectNode} AND n.id >= ? AND n.id < ? AND +n.num > ? ORDER BY +n.num LIMIT ?`,
              idPrefix,
              `${idPrefix}~`,
              after,
              rowsToRead(page),
            );
      return pageOf(rows, page, nodeRow, (row) => Number(row.num));
    },
    async getNode(node: NodeId) {
      const row = one<StoredNode>(`${selectNode} AND n.id = ?`, node);
      return row === undefined ? undefined : nodeRow(row);
    },
  };
}

function ledgerReads(all: All, one: One): Part<'listAccounts' | 'getAccount' | 'listLedgerEntries'> {
  return {
    async listAccounts(page: PageRequest) {
      const after = cursorOf(page, 0);
      if (after === undefined) return undefined;
      const sql = 'SELECT * FROM accounts WHERE num > ? ORDER BY num LIMIT ?';
      const rows = all<StoredAccount>(sql, after, rowsToRead(page));
      return pageOf(rows, page, accountRow, (row) => Number(row.num));
    },
    async getAccount(account) {
      const row = one<StoredAccount>('SELECT * FROM accounts WHERE id = ?', account);
      return row === undefined ? undefined : accountRow(row);
    },
    async listLedgerEntries(account, page: PageRequest) {
      const newest = one<{ last_entry: bigint | null }>(
        'SELECT last_entry FROM accounts WHERE id = ?',
        account,
      );
      const from = cursorOf(page, Number(newest?.last_entry ?? -1));
      if (from === undefined) return undefined;
      const rows = all<StoredEntry>(selectEntries, account, from, rowsToRead(page));
      return pageOf(rows, page, entryRow, (row) => Number(row.previous));
    },
  };
}

function keptReads(all: All): Part<'keptBytes'> {
  return {
    async keptBytes(account: AccountId) {
      const sql = 'SELECT kind, bytes FROM kept_bytes WHERE account = ?';
      const rows = all<{ kind: keyof KeptBytes; bytes: bigint }>(sql, account);
      const of = (kind: keyof KeptBytes) => Number(rows.find((row) => row.kind === kind)?.bytes ?? 0n);
      return { jobs: of('jobs'), receipts: of('receipts'), answers: of('answers') };
    },
  };
}

function privateReads(one: One, jobNum: JobNum): Part<'getJobSpec' | 'getReceipt' | 'getNodeSession'> {
  return {
    async getJobSpec(job: JobId) {
      const sql =
        "SELECT spec, salt FROM job_specs WHERE job = (SELECT num FROM jobs WHERE id = ?) AND spec <> ''";
      return one<{ spec: string; salt: string }>(sql, job);
    },
    async getReceipt(task: TaskId, attempt: number) {
      const job = jobNum(jobIdOf(task)) ?? -1;
      const key = [job, taskIndexOf(task)];
      const row = one<StoredReceipt>(selectReceipt, ...key, ...key, attempt, attempt);
      return row && { hash: receiptHash(row.receipt), signed: signedReceipt(row) };
    },
    async getNodeSession(node: NodeId) {
      const sql = 'SELECT delegation, signature FROM node_sessions WHERE node = ?';
      return one<{ delegation: string; signature: string }>(sql, node);
    },
  };
}
