import type { AccountId } from '@capacloud/protocol/ids';
import type { JobFilter, JobRow, Page, PageRequest } from '../ports/read-store.ts';
import { jobStateCodes } from './codes.ts';
import { jobRow, type StoredJob, selectJob } from './job-queries.ts';
import { pageOf, rowsToRead } from './page-cursor.ts';

/** Jobs that a page looks through for a name: no index has names, as each would cost every submission a write. */
const lookedThrough = 1000;

type All = <R>(sql: string, ...values: unknown[]) => R[];

const ofAccount =
  'j.account = (SELECT num FROM accounts WHERE id = ?) AND j.num < ? AND (? = -1 OR j.state = ?)';
/** The same, so that the index of ids is used and not that of accounts. */
const alsoOfAccount = ofAccount.replace('j.account', '+j.account').replace('j.num', '+j.num');

/** One page of the jobs of an account that fit the filter, newest first, those before the number. */
export function searchJobs(
  all: All,
  account: AccountId,
  filter: JobFilter,
  page: PageRequest,
  before: number,
): Page<JobRow> {
  const state = filter.state === undefined ? -1 : jobStateCodes.codeOf(filter.state);
  const owned = [account, before, state, state];
  const position = (row: Pick<StoredJob, 'num'>) => Number(row.num);
  if (filter.idPrefix !== undefined) {
    // Characters of ids come before ~.
    const rows = all<StoredJob>(
      `${selectJob} WHERE j.id >= ? AND j.id < ? AND ${alsoOfAccount}
        AND (? IS NULL OR s.name = ?) ORDER BY +j.num DESC LIMIT ?`,
      filter.idPrefix,
      `${filter.idPrefix}~`,
      ...owned,
      filter.name ?? null,
      filter.name ?? null,
      rowsToRead(page),
    );
    return pageOf(rows, page, jobRow, position);
  }
  const window = `SELECT j.num FROM jobs j WHERE ${ofAccount} ORDER BY j.num DESC`;
  const rows = all<StoredJob>(
    `${selectJob} WHERE j.num IN (${window} LIMIT ${lookedThrough}) AND s.name = ? ORDER BY j.num DESC LIMIT ?`,
    ...owned,
    filter.name,
    rowsToRead(page),
  );
  const found = pageOf(rows, page, jobRow, position);
  if (found.next !== undefined) return found;
  const [last] = all<Pick<StoredJob, 'num'>>(`${window} LIMIT 1 OFFSET ${lookedThrough - 1}`, ...owned);
  return last === undefined ? found : { ...found, next: `${last.num}` };
}
