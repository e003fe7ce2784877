import type { ReportItem } from '@capacloud/protocol/wire/frames';
import type Database from 'better-sqlite3';
import type { AttemptRecord } from '../core/attempt-record.ts';
import { type Journal, type LeaseNote, outboxLimit, type ReportDraft } from '../core/journal-port.ts';
import { type AttemptKey, attemptKeyText } from '../core/ports.ts';
import { isStorageFault, storageFaultText } from '../core/storage-fault.ts';
import { freeUid, type UidRange } from '../core/task-uids.ts';

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
    uids: db
      .prepare<[], number>(
        `SELECT json_extract(state, '$.uid') FROM attempt
         WHERE phase <> 'settled' AND json_extract(state, '$.uid') IS NOT NULL`,
      )
      .pluck(),
    freed: db.prepare<[], number>('SELECT uid FROM freed_uid ORDER BY turn').pluck(),
    free: db.prepare(
      `INSERT INTO freed_uid SELECT json_extract(state, '$.uid'), (SELECT coalesce(max(turn), 0) + 1 FROM freed_uid)
       FROM attempt WHERE coordinator = ? AND task = ? AND attempt = ?
       AND phase <> 'settled' AND json_extract(state, '$.uid') IS NOT NULL
       ON CONFLICT (uid) DO UPDATE SET turn = excluded.turn`,
    ),
    know: db.prepare('UPDATE coordinator SET name = ?, boot_id = ?, lease_until = ? WHERE key = ?'),
  };
}

/** What the journal knows of its coordinator. Kept in memory: a disk that fails must not keep the agent from reading it. */
interface About {
  name: string | undefined;
  lease: LeaseNote | undefined;
}

/** The journal of one coordinator. Records are kept in memory too (at most a thousand), so reading costs nothing. */
export class SqliteJournal implements Journal {
  readonly #db: Database.Database;
  readonly #coordinator: string;
  readonly #sql: ReturnType<typeof prepare>;
  readonly #records = new Map<string, AttemptRecord>();
  readonly #about: About;
  #lastReport: number;
  #lastOrdinal = 0;
  #outboxSize: number;
  #fault: string | undefined;
  /** Records whose last change is in memory alone. */
  readonly #unwritten = new Set<string>();
  /** The coordinator has the reports up to this one, which are still in the file. */
  #acknowledged = 0;
  #owesAbout = false;

  /**
   * `firstReport` numbers the first report when this coordinator is new here. Given the wall clock, ids rise
   * even when the state folder was lost, so that an old acknowledgement can never cover a new report.
   */
  constructor(db: Database.Database, coordinator: string, firstReport: number) {
    this.#db = db;
    this.#coordinator = coordinator;
    this.#sql = prepare(db);
    // Only a coordinator that is new is written down: a journal on a full disk can be read.
    if (this.#sql.about.get(coordinator) === undefined) this.#sql.meet.run(coordinator, firstReport);
    const about = this.#sql.about.get(coordinator);
    if (about === undefined) throw new Error('the journal forgot its coordinator');
    const { name, last_report, boot_id: bootId, lease_until: untilBootMs } = about;
    this.#about = {
      name: name ?? undefined,
      lease: bootId === null || untilBootMs === null ? undefined : { bootId, untilBootMs },
    };
    this.#lastReport = last_report;
    this.#outboxSize = this.#sql.count.get(coordinator)?.n ?? 0;
    for (const row of this.#sql.attempts.all(coordinator)) {
      const record = readRecord(row);
      this.#records.set(attemptKeyText(record.key), record);
      this.#lastOrdinal = row.ordinal;
    }
  }

  get fault(): string | undefined {
    return this.#fault;
  }

  attempts(): readonly AttemptRecord[] {
    return [...this.#records.values()];
  }

  attempt(key: AttemptKey): AttemptRecord | undefined {
    return this.#records.get(attemptKeyText(key));
  }

  save(record: AttemptRecord, reports: readonly ReportDraft[] = []): void {
    const text = attemptKeyText(record.key);
    const ordinal = this.#lastOrdinal + 1;
    const isNew = !this.#records.has(text);
    this.#commit(reports, () => (isNew ? this.#insert(record, ordinal) : this.#update(record)));
    if (isNew) this.#lastOrdinal = ordinal;
    this.#records.set(text, record);
    this.#unwritten.delete(text);
  }

  note(record: AttemptRecord): void {
    const text = attemptKeyText(record.key);
    if (!this.#records.has(text)) throw new Error('only a record that is known is noted');
    this.#records.set(text, record);
    this.#unwritten.add(text);
    this.#payDebts();
  }

  /**
   * The user id of an attempt: the one that it has, or one that is noted for it now. `inUse` are those of containers that
   * this journal does not know. Undefined where the attempt is not known or every id is in use.
   */
  takeUid(key: AttemptKey, range: UidRange, inUse: Iterable<number>): number | undefined {
    const record = this.attempt(key);
    if (record === undefined || record.uid !== undefined) return record?.uid;
    // Of the attempts of all coordinators.
    const taken = new Set([...this.#sql.uids.all(), ...inUse]);
    const uid = freeUid(range, taken, this.#sql.freed.all());
    if (uid !== undefined) this.save({ ...record, uid });
    return uid;
  }

  append(reports: readonly ReportDraft[]): void {
    this.#commit(reports, () => {});
  }

  forget(key: AttemptKey): void {
    this.#write(() => this.#sql.forget.run(this.#coordinator, key.task, key.attempt));
    this.#records.delete(attemptKeyText(key));
    this.#unwritten.delete(attemptKeyText(key));
  }

  outbox(afterId: number, limit: number): readonly ReportItem[] {
    // Asked at every acknowledgement, and mostly there is nothing new.
    if (this.#outboxSize === 0 || afterId >= this.#lastReport) return [];
    return this.#sql.outbox
      .all(this.#coordinator, Math.max(afterId, this.#acknowledged), limit)
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
    this.#acknowledged = Math.max(this.#acknowledged, id);
    this.#payDebts();
  }

  saveLease(lease: LeaseNote): void {
    this.#about.lease = { bootId: lease.bootId, untilBootMs: Math.floor(lease.untilBootMs) };
    this.#owesAbout = true;
    this.#payDebts();
  }

  lease(): LeaseNote | undefined {
    return this.#about.lease;
  }

  coordinatorName(): string | undefined {
    return this.#about.name;
  }

  saveCoordinatorName(name: string): void {
    this.#about.name = name;
    this.#owesAbout = true;
    this.#payDebts();
  }

  recover(): void {
    // A write of something, or it would not be known whether the disk takes any.
    this.#owesAbout = true;
    this.#payDebts();
  }

  close(): void {
    this.#db.close();
  }

  /** Writes what is in memory alone, in one transaction. A disk that takes no writes is asked again later. */
  #payDebts(): void {
    try {
      const dropped = this.#db.transaction(() => this.#writeDebts())();
      // A transaction that changes nothing writes nothing, and so tells nothing of the disk.
      if (dropped > 0 || this.#owesAbout || this.#unwritten.size > 0) this.#fault = undefined;
      this.#outboxSize -= dropped;
      this.#acknowledged = 0;
      this.#unwritten.clear();
      this.#owesAbout = false;
    } catch (error) {
      if (!isStorageFault(error)) throw error;
      this.#fault = storageFaultText(error);
    }
  }

  #writeDebts(): number {
    for (const text of this.#unwritten) {
      const record = this.#records.get(text);
      if (record !== undefined) this.#update(record);
    }
    if (this.#owesAbout) {
      const { lease, name } = this.#about;
      this.#sql.know.run(name ?? null, lease?.bootId ?? null, lease?.untilBootMs ?? null, this.#coordinator);
    }
    if (this.#acknowledged === 0) return 0;
    return this.#sql.acknowledge.run(this.#coordinator, this.#acknowledged).changes;
  }

  #insert({ key, assignment, phase, ...state }: AttemptRecord, ordinal: number): void {
    const text = JSON.stringify(assignment);
    const json = JSON.stringify(state satisfies State);
    this.#sql.insert.run(this.#coordinator, key.task, key.attempt, ordinal, phase, text, json);
  }

  #update({ key, assignment: _same, phase, ...state }: AttemptRecord): void {
    const json = JSON.stringify(state satisfies State);
    // Once: its container and its scratch are gone.
    if (phase === 'settled') this.#sql.free.run(this.#coordinator, key.task, key.attempt);
    this.#sql.update.run(phase, json, this.#coordinator, key.task, key.attempt);
  }

  #commit(reports: readonly ReportDraft[], write: () => void): void {
    if (this.#outboxSize + reports.length > outboxLimit) {
      throw new Error('the outbox is full: work was taken that it had no room for');
    }
    let id = this.#lastReport;
    const act = this.#db.transaction(() => {
      write();
      for (const draft of reports) {
        id += 1;
        const { task, attempt } = draft.kind === 'finished' ? draft.receipt : draft;
        this.#sql.append.run(this.#coordinator, id, task, attempt, JSON.stringify({ ...draft, id }));
      }
      // guard: number reports once
      if (reports.length > 0) this.#sql.numbered.run(id, this.#coordinator);
    });
    this.#write(act);
    this.#lastReport = id;
    this.#outboxSize += reports.length;
  }

  /** A write that may throw; what became of it tells whether the disk takes writes. */
  #write<T>(act: () => T): T {
    try {
      const value = act();
      this.#fault = undefined;
      return value;
    } catch (error) {
      if (isStorageFault(error)) this.#fault = storageFaultText(error);
      throw error;
    }
  }
}

function readRecord(row: AttemptRow): AttemptRecord {
  const assignment = JSON.parse(row.assignment) as AttemptRecord['assignment'];
  const state = JSON.parse(row.state) as State;
  const key = { task: assignment.task, attempt: assignment.attempt };
  return { key, assignment, phase: row.phase as AttemptRecord['phase'], ...state };
}
