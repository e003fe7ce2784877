import type { ReportItem } from '@capacloud/protocol/frames';
import type Database from 'better-sqlite3';
import type { AttemptRecord } from '../core/attempt-record.ts';
import { type Journal, type LeaseNote, outboxLimit, type ReportDraft } from '../core/journal-port.ts';
import { type AttemptKey, attemptKeyText } from '../core/ports.ts';

type State = Omit<AttemptRecord, 'key' | 'assignment' | 'phase'>;

interface AttemptRow {
  readonly task: string;
  readonly attempt: number;
  readonly ordinal: number;
  readonly phase: string;
  readonly assignment: string;
  readonly state: string;
}

function prepare(db: Database.Database) {
  return {
    attempts: db.prepare<[string], AttemptRow>(
      'SELECT task, attempt, ordinal, phase, assignment, state FROM attempt WHERE coordinator = ? ORDER BY ordinal',
    ),
    insert: db.prepare('INSERT INTO attempt VALUES (?, ?, ?, ?, ?, ?, ?)'),
    update: db.prepare(
      'UPDATE attempt SET phase = ?, state = ? WHERE coordinator = ? AND task = ? AND attempt = ?',
    ),
    forget: db.prepare('DELETE FROM attempt WHERE coordinator = ? AND task = ? AND attempt = ?'),
    append: db.prepare('INSERT INTO outbox VALUES (?, ?, ?, ?, ?)'),
    outbox: db.prepare<[string, number, number], { item: string }>(
      'SELECT item FROM outbox WHERE coordinator = ? AND id > ? ORDER BY id LIMIT ?',
    ),
    count: db.prepare<[string], { n: number }>('SELECT count(*) AS n FROM outbox WHERE coordinator = ?'),
    holds: db.prepare('SELECT 1 FROM outbox WHERE coordinator = ? AND task = ? AND attempt = ? LIMIT 1'),
    acknowledge: db.prepare('DELETE FROM outbox WHERE coordinator = ? AND id <= ?'),
    meet: db.prepare('INSERT INTO coordinator (key, last_report) VALUES (?, ?) ON CONFLICT DO NOTHING'),
    about: db.prepare<
      [string],
      { name: string | null; last_report: number; boot_id: string | null; lease_until: number | null }
    >('SELECT name, last_report, boot_id, lease_until FROM coordinator WHERE key = ?'),
    numbered: db.prepare('UPDATE coordinator SET last_report = ? WHERE key = ?'),
    named: db.prepare('UPDATE coordinator SET name = ? WHERE key = ?'),
    leased: db.prepare('UPDATE coordinator SET boot_id = ?, lease_until = ? WHERE key = ?'),
  };
}

/** The journal of one coordinator. Records are kept in memory too (at most a thousand), so reading costs nothing. */
export class SqliteJournal implements Journal {
  readonly #db: Database.Database;
  readonly #coordinator: string;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #records = new Map<string, AttemptRecord>();
  #lastReport: number;
  #lastOrdinal = 0;
  #outboxSize: number;

  /**
   * `firstReport` numbers the first report when this coordinator is new here. Given the wall clock, ids rise
   * even when the state folder was lost, so that an old acknowledgement can never cover a new report.
   */
  constructor(db: Database.Database, coordinator: string, firstReport: number) {
    this.#db = db;
    this.#coordinator = coordinator;
    this.#sql = prepare(db);
    this.#sql.meet.run(coordinator, firstReport);
    this.#lastReport = this.#about().last_report;
    this.#outboxSize = this.#sql.count.get(coordinator)?.n ?? 0;
    for (const row of this.#sql.attempts.all(coordinator)) {
      const record = readRecord(row);
      this.#records.set(attemptKeyText(record.key), record);
      this.#lastOrdinal = row.ordinal;
    }
  }

  attempts(): readonly AttemptRecord[] {
    return [...this.#records.values()];
  }

  attempt(key: AttemptKey): AttemptRecord | undefined {
    return this.#records.get(attemptKeyText(key));
  }

  save(record: AttemptRecord, reports: readonly ReportDraft[] = []): void {
    const { key, assignment, phase, ...state } = record;
    const isNew = !this.#records.has(attemptKeyText(key));
    this.#commit(reports, () => {
      const json = JSON.stringify(state satisfies State);
      if (isNew) {
        const ordinal = this.#lastOrdinal + 1;
        const text = JSON.stringify(assignment);
        this.#sql.insert.run(this.#coordinator, key.task, key.attempt, ordinal, phase, text, json);
        this.#lastOrdinal = ordinal;
      } else {
        this.#sql.update.run(phase, json, this.#coordinator, key.task, key.attempt);
      }
    });
    this.#records.set(attemptKeyText(key), record);
  }

  append(reports: readonly ReportDraft[]): void {
    this.#commit(reports, () => {});
  }

  forget(key: AttemptKey): void {
    this.#sql.forget.run(this.#coordinator, key.task, key.attempt);
    this.#records.delete(attemptKeyText(key));
  }

  outbox(afterId: number, limit: number): readonly ReportItem[] {
    // Asked at every acknowledgement, and mostly there is nothing new.
    if (this.#outboxSize === 0 || afterId >= this.#lastReport) return [];
    return this.#sql.outbox
      .all(this.#coordinator, afterId, limit)
      .map((row) => JSON.parse(row.item) as ReportItem);
  }

  outboxSize(): number {
    return this.#outboxSize;
  }

  holds(key: AttemptKey): boolean {
    return this.#sql.holds.get(this.#coordinator, key.task, key.attempt) !== undefined;
  }

  acknowledge(id: number): void {
    if (this.#outboxSize === 0) return;
    this.#outboxSize -= this.#sql.acknowledge.run(this.#coordinator, id).changes;
  }

  saveLease(lease: LeaseNote): void {
    this.#sql.leased.run(lease.bootId, Math.floor(lease.untilBootMs), this.#coordinator);
  }

  lease(): LeaseNote | undefined {
    const { boot_id: bootId, lease_until: untilBootMs } = this.#about();
    return bootId === null || untilBootMs === null ? undefined : { bootId, untilBootMs };
  }

  coordinatorName(): string | undefined {
    return this.#about().name ?? undefined;
  }

  saveCoordinatorName(name: string): void {
    this.#sql.named.run(name, this.#coordinator);
  }

  close(): void {
    this.#db.close();
  }

  #about() {
    const row = this.#sql.about.get(this.#coordinator);
    if (row === undefined) throw new Error('the journal forgot its coordinator');
    return row;
  }

  #commit(reports: readonly ReportDraft[], write: () => void): void {
    if (this.#outboxSize + reports.length > outboxLimit) {
      throw new Error('the outbox is full: work was taken that it had no room for');
    }
    let id = this.#lastReport;
    this.#db.transaction(() => {
      write();
      for (const draft of reports) {
        id += 1;
        const { task, attempt } = draft.kind === 'finished' ? draft.receipt : draft;
        this.#sql.append.run(this.#coordinator, id, task, attempt, JSON.stringify({ ...draft, id }));
      }
      if (reports.length > 0) this.#sql.numbered.run(id, this.#coordinator);
    })();
    this.#lastReport = id;
    this.#outboxSize += reports.length;
  }
}

function readRecord(row: AttemptRow): AttemptRecord {
  const assignment = JSON.parse(row.assignment) as AttemptRecord['assignment'];
  const state = JSON.parse(row.state) as State;
  const key = { task: assignment.task, attempt: assignment.attempt };
  return { key, assignment, phase: row.phase as AttemptRecord['phase'], ...state };
}
