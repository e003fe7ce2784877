/**
 * What the private rows of an account take, by kind: specs of jobs, receipts of their attempts, and answers that are kept
 * under idempotency keys. Triggers count, so that no way of writing or removing a row can be forgotten. With a job come rows
 * that follow from the log and stay; they count for as long as its spec is kept, so that jobs without end find one. Of a
 * receipt at most 8 KiB count: it is a machine's words, and the consumer pays for it.
 */
const sizeOfSpec = (row: string) =>
  `(octet_length(${row}.spec) + octet_length(${row}.salt) + octet_length(coalesce(${row}.name, '')) + octet_length(${row}.image))`;
const sizeOfJob = `(1024 + 256 * (SELECT total FROM jobs WHERE num = %.job))`;
const sizeOfReceipt = (row: string) =>
  `min(8192, 256 + octet_length(${row}.receipt) + octet_length(${row}.path) + octet_length(${row}.signature))`;
const sizeOfAnswer = (row: string) => `(256 + octet_length(${row}.key) + octet_length(${row}.body))`;
const accountOfJob = (job: string) =>
  `(SELECT a.id FROM jobs j JOIN accounts a ON a.num = j.account WHERE j.num = ${job})`;
/** The attempt that the receipt ended; a receipt that came after the end of its attempt is found otherwise. */
const jobOfReceipt = (row: string) => `(SELECT job FROM attempts WHERE event = ${row}.event LIMIT 1)`;

/** An upsert would be at the mercy of the conflict clause of the statement that fires the trigger. */
const add = (account: string, kind: string, bytes: string) => `
  UPDATE kept_bytes SET bytes = max(0, bytes + (${bytes})) WHERE account = ${account} AND kind = '${kind}';
  INSERT INTO kept_bytes SELECT account, '${kind}', max(0, ${bytes}) FROM (SELECT ${account} AS account)
    WHERE changes() = 0 AND account IS NOT NULL;`;

function counted(table: string, when: string, statements: string): string {
  const name = `${table}_${when.toLowerCase().replaceAll(/[^a-z]+/g, '_')}_kept`;
  return `CREATE TRIGGER ${name} AFTER ${when} ON ${table} BEGIN ${statements}\nEND;\n`;
}

const jobSize = (row: string) => `${sizeOfSpec(row)} + ${sizeOfJob.replace('%', row)}`;
const lateReceiptSize = (row: string) =>
  `coalesce((SELECT ${sizeOfReceipt('r')} FROM receipts r WHERE r.event = ${row}.event), 0)`;

/** What the triggers have to agree with: all rows, added up. */
export const keptCounts: readonly string[] = [
  `SELECT a.id, 'jobs', sum(${sizeOfSpec('s')} + 1024 + 256 * j.total)
  FROM job_specs s JOIN jobs j ON j.num = s.job JOIN accounts a ON a.num = j.account GROUP BY a.id`,
  `SELECT a.id, 'receipts', sum(${sizeOfReceipt('r')})
  FROM receipts r LEFT JOIN late_receipts l ON l.event = r.event
  JOIN jobs j ON j.num = coalesce(l.job, ${jobOfReceipt('r')}) JOIN accounts a ON a.num = j.account GROUP BY a.id`,
  `SELECT account, 'answers', sum(${sizeOfAnswer('i')}) FROM idempotency i GROUP BY account`,
];

export const keptBytes = `
CREATE TABLE kept_bytes (
  account TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('jobs', 'receipts', 'answers')),
  bytes INTEGER NOT NULL,
  PRIMARY KEY (account, kind)
) STRICT, WITHOUT ROWID;
-- Receipts are removed by their age, and each has to be found among those that came late.
CREATE INDEX late_receipts_of_event ON late_receipts (event);
-- What was stored for a job is removed with it.
CREATE INDEX artifact_refs_of_job ON artifact_refs (job, account) WHERE job <> '';

${keptCounts.map((count) => `INSERT INTO kept_bytes ${count};`).join('\n')}

${counted('job_specs', 'INSERT', add(accountOfJob('new.job'), 'jobs', jobSize('new')))}
${counted('job_specs', 'UPDATE OF spec', add(accountOfJob('new.job'), 'jobs', 'octet_length(new.spec) - octet_length(old.spec)'))}
${counted('job_specs', 'DELETE', add(accountOfJob('old.job'), 'jobs', `-(${jobSize('old')})`))}
${counted('receipts', 'INSERT', add(accountOfJob(jobOfReceipt('new')), 'receipts', sizeOfReceipt('new')))}
${counted('receipts', 'DELETE', add(accountOfJob(jobOfReceipt('old')), 'receipts', `-${sizeOfReceipt('old')}`))}
${counted('late_receipts', 'INSERT', add(accountOfJob('new.job'), 'receipts', lateReceiptSize('new')))}
${counted('late_receipts', 'DELETE', add(accountOfJob('old.job'), 'receipts', `-${lateReceiptSize('old')}`))}
${counted('idempotency', 'INSERT', add('new.account', 'answers', sizeOfAnswer('new')))}
${counted('idempotency', 'UPDATE OF body', add('new.account', 'answers', `${sizeOfAnswer('new')} - ${sizeOfAnswer('old')}`))}
${counted('idempotency', 'DELETE', add('old.account', 'answers', `-${sizeOfAnswer('old')}`))}
`;
