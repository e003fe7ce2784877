import { rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

/**
 * What SQLite alone can do: tasks a second through submit, assign and done with a ledger entry, three durable
 * commits (WAL, synchronous=FULL) for each group of tasks. No sockets, checks, log or hashes: a limit, not a peer.
 */
export function measureSqliteLifecycle(dir: string, groupSize: number, durationMs: number): number {
  const file = join(dir, 'baseline.sqlite');
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  const db = new Database(file);
  try {
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.exec(`
      CREATE TABLE task (id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, state TEXT NOT NULL, owner TEXT, agent TEXT,
        priority INTEGER DEFAULT 0, image TEXT, spec TEXT, created INTEGER, updated INTEGER, reward INTEGER);
      CREATE INDEX task_ready ON task (priority DESC, id) WHERE state = 'queued';
      CREATE INDEX task_agent ON task (agent) WHERE state = 'running';
      CREATE TABLE ledger (id INTEGER PRIMARY KEY, task INTEGER, account TEXT, amount INTEGER, at INTEGER);
    `);
    const spec = JSON.stringify({
      image: 'local/busybox:1',
      command: ['true'],
      env: { A: '1', B: '2' },
      resources: { cpu: 2, memory: 4096 },
    });
    const insert = db.prepare(
      'INSERT INTO task (uid, state, owner, image, spec, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    const claim = db.prepare(
      `UPDATE task SET state = 'running', agent = ?, updated = ?
       WHERE id IN (SELECT id FROM task WHERE state = 'queued' ORDER BY priority DESC, id LIMIT ?) RETURNING id`,
    );
    const finish = db.prepare(
      `UPDATE task SET state = 'done', updated = ?, reward = ? WHERE id = ? AND state = 'running'`,
    );
    const post = db.prepare('INSERT INTO ledger (task, account, amount, at) VALUES (?, ?, ?, ?)');
    let tasks = 0;
    const submitGroup = db.transaction(() => {
      for (let i = 0; i < groupSize; i++) {
        tasks++;
        insert.run(`t${tasks}`, 'queued', 'acc_a', 'local/busybox:1', spec, Date.now(), Date.now());
      }
    });
    const finishGroup = db.transaction((rows: readonly { id: number }[]) => {
      const now = Date.now();
      for (const { id } of rows) {
        finish.run(now, 5, id);
        post.run(id, 'provider', 5, now);
      }
    });
    const started = performance.now();
    let now = started;
    while (now < started + durationMs) {
      submitGroup();
      finishGroup(claim.all('agent', Date.now(), groupSize) as { id: number }[]);
      now = performance.now();
    }
    return tasks / ((now - started) / 1000);
  } finally {
    db.close();
  }
}
