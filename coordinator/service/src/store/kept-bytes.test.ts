import { sha256Hex } from '@capacloud/protocol/log/hash';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { consumer, receiptTextOf, temporaryFolder, unsignedReceipt, Workload } from '../testing/workload.ts';
import { keptCounts } from './kept-migration.ts';
import { databasePath } from './open-database.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder[Symbol.dispose]());

function countedAnew(): unknown[] {
  const database = new Database(databasePath(folder.path), { readonly: true });
  const sql = `${keptCounts.join(' UNION ALL ')} ORDER BY 1, 2`;
  const rows = database.prepare(`SELECT * FROM (${sql})`).raw().all();
  database.close();
  return rows;
}
/** The receipt of its attempt comes when the job has ended without it. */
async function cancelUnderway(work: Workload): Promise<void> {
  await work.submitJob(1);
  const task = [...work.sequencer.state.tasks.values()].at(-1);
  await expect.poll(() => task?.node, { timeout: 10_000 }).toBeDefined();
  if (task?.node === undefined) throw new Error('the task is on no node');
  const { attempt, id, job, node } = task;
  await work.send({ type: 'job.cancel', at: work.at, job, consumer });
  const receipt = sha256Hex(receiptTextOf(id));
  const finish = {
    type: 'attempt.finish',
    at: work.at,
    node,
    task: id,
    attempt,
    receipt,
    claimedRunMs: 5,
  } as const;
  const outcome = await work.sequencer.submit({ ...finish, reason: 'stopped' }, (events) =>
    unsignedReceipt(events, id, attempt, receiptTextOf(id)),
  );
  expect(outcome.ok ? outcome.events[0]?.event.type : outcome.refusal).toBe('attempt.released');
}
function countedByTriggers(): unknown[] {
  const database = new Database(databasePath(folder.path), { readonly: true });
  const rows = database
    .prepare('SELECT * FROM kept_bytes WHERE bytes > 0 ORDER BY account, kind')
    .raw()
    .all();
  database.close();
  return rows;
}

it('counts private rows as they come and go, and says after any time what a count of all would say', async () => {
  let work = await Workload.open(folder.path);
  await work.prepare(4);
  const stop = work.follow();
  for (let i = 0; i < 6; i++) await work.submitJob(5);
  await expect.poll(() => work.sequencer.state.jobs.size, { timeout: 10_000 }).toBe(0);
  stop();
  await cancelUnderway(work);
  const answer = {
    kind: 'idempotency',
    account: consumer,
    requestHash: 'a'.repeat(64) as never,
    status: 201,
  } as const;
  await work.sequencer.record([
    { ...answer, key: 'one', body: 'first', at: 5 },
    { ...answer, key: 'two', body: 'second', at: 50 },
  ]);
  await work.sequencer.record([{ ...answer, key: 'one', body: 'longer than before', at: 6 }]);
  const { reads, rows } = work.store;
  expect(countedByTriggers()).toEqual(countedAnew());
  const before = await reads.keptBytes(consumer);
  expect(Math.min(before.jobs, before.receipts, before.answers)).toBeGreaterThan(0);

  const since = { jobs: 0, receipts: 0, artifacts: undefined, answers: 10 };
  while (await rows.removeOlder(since));
  expect((await reads.keptBytes(consumer)).answers).toBeLessThan(before.answers);
  expect((await reads.keptBytes(consumer)).jobs).toBe(before.jobs);
  expect(countedByTriggers()).toEqual(countedAnew());
  const job = (await reads.listJobs(consumer, {}, { limit: 1 }))?.items[0];
  if (job === undefined) throw new Error('there is no job');
  expect(await rows.forgetJob(job.id)).toBeGreaterThan(0);
  expect(await reads.getJobSpec(job.id)).toBeUndefined();
  expect(countedByTriggers()).toEqual(countedAnew());

  const far = Number.MAX_SAFE_INTEGER;
  while (await rows.removeOlder({ jobs: far, receipts: far, artifacts: far, answers: far }));
  expect(await reads.keptBytes(consumer)).toEqual({ jobs: 0, receipts: 0, answers: 0 });
  // What follows from the log is there as before, and a start on it finds nothing wrong.
  expect(await reads.getJob(job.id)).toMatchObject({ state: job.state, image: '' });
  await work.close();
  work = await Workload.open(folder.path);
  expect(work.store.faultOfTables(work.sequencer.state)).toBeUndefined();
  await work.close();
});

it('keeps what belongs to a job that has not ended, however old it is', async () => {
  const work = await Workload.open(folder.path);
  await work.prepare(0);
  await work.submitJob(2);
  const far = Number.MAX_SAFE_INTEGER;
  while (await work.store.rows.removeOlder({ jobs: far, receipts: far, artifacts: far, answers: far }));
  const job = (await work.store.reads.listJobs(consumer, {}, { limit: 1 }))?.items[0];
  expect(await work.store.reads.getJobSpec(job?.id as never)).toMatchObject({ salt: 'salt' });
  await work.close();
});
