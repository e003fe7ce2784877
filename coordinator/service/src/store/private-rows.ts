import type { JobId } from '@capacloud/protocol/ids';
import type Database from 'better-sqlite3';
import type { KeptSince, PrivateRows } from '../ports/private-rows.ts';
import type { RowRemoval } from './write-message.ts';

/** Rows of one kind that go in one step: others write in between. */
const rowsAtOnce = 200;

interface AgedJob {
  readonly num: number;
  readonly id: JobId;
  readonly ended_at: number | null;
}

/** Where the next step goes on: rows before it are young enough, or belong to jobs that have not ended. */
interface Cursors {
  jobs: number;
  artifacts: number;
}

/** Finds what has aged, a bounded number of rows at a time, and has the writer remove it. */
export function createPrivateRows(
  database: Database.Database,
  remove: (removal: RowRemoval) => Promise<void>,
): PrivateRows {
  const specBytes = database
    .prepare<[string], number>(
      'SELECT octet_length(spec) FROM job_specs WHERE job = (SELECT num FROM jobs WHERE id = ?)',
    )
    .pluck();
  // In the order of submission: no job ends before it was submitted.
  const jobs = database.prepare<[number, number], AgedJob>(
    `SELECT j.num, j.id, j.ended_at FROM job_specs s JOIN jobs j ON j.num = s.job
      WHERE s.job > ? AND j.submitted_at < ? ORDER BY s.job LIMIT ${rowsAtOnce}`,
  );
  const stored = database.prepare<[number, number], AgedJob>(
    `SELECT num, id, ended_at FROM jobs WHERE num > ? AND submitted_at < ? ORDER BY num LIMIT ${rowsAtOnce}`,
  );
  const lastOld = oldReceipts(database);
  const answers = database
    .prepare<[number], number>('SELECT 1 FROM idempotency WHERE at < ? LIMIT 1')
    .pluck();
  const cursors: Cursors = { jobs: -1, artifacts: -1 };

  const removeJobs = async (kind: keyof Cursors, before: number): Promise<boolean> => {
    const found = (kind === 'jobs' ? jobs : stored).all(cursors[kind], before);
    const ended = found.filter(({ ended_at }) => ended_at !== null && ended_at < before);
    if (ended.length > 0)
      await remove({
        kind: kind === 'jobs' ? 'remove.jobs' : 'remove.job_artifacts',
        jobs: ended.map(({ id, num }) => ({ id, num })),
      });
    const isEnd = found.length < rowsAtOnce;
    // What had not ended is looked at again in the next round.
    cursors[kind] = isEnd ? -1 : (found.at(-1)?.num ?? -1);
    return !isEnd;
  };
  const removeReceipts = async (before: number): Promise<boolean> => {
    const upTo = lastOld(before);
    if (upTo === undefined) return false;
    await remove({ kind: 'remove.receipts', upTo, limit: rowsAtOnce });
    return true;
  };
  const removeAnswers = async (before: number): Promise<boolean> => {
    if (answers.get(before) === undefined) return false;
    await remove({ kind: 'remove.answers', before, limit: rowsAtOnce });
    return true;
  };
  return {
    async forgetJob(job) {
      const bytes = specBytes.get(job) ?? 0;
      await remove({ kind: 'forget.job', job });
      return bytes;
    },
    async removeOlder(since: KeptSince) {
      const more = [
        await removeJobs('jobs', since.jobs),
        since.artifacts !== undefined && (await removeJobs('artifacts', since.artifacts)),
        await removeReceipts(since.receipts),
        await removeAnswers(since.answers),
      ];
      return more.includes(true);
    },
  };
}

/**
 * The event up to which receipts may be removed in one step. Receipts are in the order of the log, and so of time: what came
 * before an old one is as old.
 */
function oldReceipts(database: Database.Database): (before: number) => number | undefined {
  const oldest = `(SELECT event FROM receipts ORDER BY event LIMIT ${rowsAtOnce})`;
  const lastOfOldest = database.prepare<[], number | null>(`SELECT max(event) FROM ${oldest}`).pluck();
  const endedAfter = database
    .prepare<[number], number>('SELECT ended_at FROM attempts WHERE event >= ? ORDER BY event LIMIT 1')
    .pluck();
  const newestEnd = database
    .prepare<[], number>('SELECT ended_at FROM attempts ORDER BY event DESC LIMIT 1')
    .pluck();
  const lastEnded = database
    .prepare<[number], number | null>(
      `SELECT max(a.event) FROM ${oldest} r JOIN attempts a ON a.event = r.event WHERE a.ended_at < ?`,
    )
    .pluck();
  return (before) => {
    const last = lastOfOldest.get() ?? undefined;
    if (last === undefined) return undefined;
    // Those behind the last attempt came late, a day at most.
    const next = endedAfter.get(last) ?? newestEnd.get();
    return next !== undefined && next < before ? last : (lastEnded.get(before) ?? undefined);
  };
}

/** The writer's part, inside a transaction. */
export function rowRemover(database: Database.Database): (removal: RowRemoval) => void {
  const dropLeft = database.prepare("DELETE FROM left_outputs WHERE task >= ? || '.' AND task < ? || '/'");
  const forgetSpec = database.prepare(
    "UPDATE job_specs SET spec = '' WHERE job = (SELECT num FROM jobs WHERE id = ?)",
  );
  const removeSpec = database.prepare('DELETE FROM job_specs WHERE job = ?');
  const dropRefs = database.prepare(
    `DELETE FROM artifact_refs WHERE job = ? AND job <> '' AND account = (
      SELECT a.id FROM jobs j JOIN accounts a ON a.num = j.account WHERE j.num = ?)`,
  );
  const oldReceipts = 'SELECT event FROM receipts WHERE event <= ? ORDER BY event LIMIT ?';
  const removeLate = database.prepare(`DELETE FROM late_receipts WHERE event IN (${oldReceipts})`);
  const removeReceipts = database.prepare(`DELETE FROM receipts WHERE event IN (${oldReceipts})`);
  const removeAnswers = database.prepare(
    `DELETE FROM idempotency WHERE (account, key) IN (
      SELECT account, key FROM idempotency WHERE at < ? ORDER BY at LIMIT ?)`,
  );
  return (removal) => {
    switch (removal.kind) {
      case 'forget.job':
        forgetSpec.run(removal.job);
        dropLeft.run(removal.job, removal.job);
        break;
      case 'remove.jobs':
        for (const { id, num } of removal.jobs) {
          removeSpec.run(num);
          dropLeft.run(id, id);
        }
        break;
      case 'remove.job_artifacts':
        for (const { id, num } of removal.jobs) dropRefs.run(id, num);
        break;
      case 'remove.receipts':
        removeLate.run(removal.upTo, removal.limit);
        removeReceipts.run(removal.upTo, removal.limit);
        break;
      case 'remove.answers':
        removeAnswers.run(removal.before, removal.limit);
        break;
    }
  };
}
