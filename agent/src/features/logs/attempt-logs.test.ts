import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskId } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newAttempt } from '../../core/attempt-record.ts';
import { openDatabase } from '../../journal/schema.ts';
import { SqliteJournal } from '../../journal/sqlite-journal.ts';
import { CoordinatorHttp } from '../../transfer/coordinator-http.ts';
import { AttemptLogs } from './attempt-logs.ts';

const key = { task: `job_${'a'.repeat(20)}.0` as TaskId, attempt: 1 };

/** The journal of a disk that is full for a moment. */
class FullJournal extends SqliteJournal {
  refusals = 0;

  override save(...args: Parameters<SqliteJournal['save']>): void {
    if (this.refusals > 0) {
      this.refusals -= 1;
      throw new Error('database or disk is full');
    }
    super.save(...args);
  }
}

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-logs-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

test('the end of a log is noted when the disk takes it again, or its attempt would be held for ever', async () => {
  const journal = new FullJournal(openDatabase(join(dir, 'journal.db')), 'one', 0);
  journal.save(newAttempt({ ...key, image: 'x' } as unknown as Assignment, 0));
  const http = new CoordinatorHttp({
    baseUrl: 'http://127.0.0.1:1',
    token: () => undefined,
    protocol: () => undefined,
    whenOpen: () => Promise.reject(new Error('nobody is asked for an empty log')),
  });
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const logs = new AttemptLogs({
    dir: join(dir, 'logs'),
    http,
    journal,
    log: pino({ level: 'silent' }),
    onDone: resolve,
  });
  journal.refusals = 1;
  await logs.finish(key);
  await done;
  expect(journal.attempt(key)?.log.done).toBe(true);
  await logs.close();
  journal.close();
});
