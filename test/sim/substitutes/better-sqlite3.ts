import Real from 'better-sqlite3';
import type { Actor } from '../kernel/actor.ts';
import { type DatabaseFile, disk } from '../kernel/disk.ts';
import { kernel } from '../kernel/kernel.ts';

type Row = readonly unknown[];

/** A statement of the real one; what it writes outside a transaction is a commit of its own. */
class Statement {
  readonly #real: Real.Statement;
  readonly #database: SimulatedDatabase;

  constructor(real: Real.Statement, database: SimulatedDatabase) {
    this.#real = real;
    this.#database = database;
  }

  run(...args: Row): Real.RunResult {
    this.#database.beforeWrite();
    return this.#real.run(...args);
  }
  get(...args: Row): unknown {
    if (!this.#real.readonly) this.#database.beforeWrite();
    return this.#real.get(...args);
  }
  all(...args: Row): unknown[] {
    if (!this.#real.readonly) this.#database.beforeWrite();
    return this.#real.all(...args);
  }
  iterate(...args: Row): IterableIterator<unknown> {
    // The connection is busy while it iterates, and here readers share the writer's.
    return this.#real.all(...args)[Symbol.iterator]();
  }
  pluck(on = true): this {
    this.#real.pluck(on);
    return this;
  }
  safeIntegers(on = true): this {
    this.#real.safeIntegers(on);
    return this;
  }
}

/**
 * In the place of better-sqlite3: real SQLite in memory, one database for each simulated file. It outlives the
 * processes that open it, and keeps what they committed.
 */
export default class SimulatedDatabase {
  static readonly SqliteError = Real.SqliteError;
  readonly #file: DatabaseFile;
  readonly #actor: Actor;

  constructor(path: string) {
    this.#actor = kernel().current;
    this.#file = disk().database(path);
    const { database } = this.#file;
    this.#actor.onEnd(() => {
      if (database.inTransaction) database.exec('ROLLBACK');
    });
  }

  get inTransaction(): boolean {
    return this.#file.database.inTransaction;
  }

  /** Each commit may be the last thing that a process does, or not fit the disk. */
  beforeWrite(): void {
    if (this.#file.database.inTransaction) {
      if (!this.#actor.alive) this.#actor.effect();
      return;
    }
    this.#beforeCommit();
  }

  prepare(sql: string): Statement {
    return new Statement(this.#file.database.prepare(sql), this);
  }

  exec(sql: string): this {
    if (sql === 'ROLLBACK') {
      if (this.inTransaction) this.#file.database.exec(sql);
      return this;
    }
    if (sql === 'COMMIT') this.#beforeCommit();
    else if (!this.#actor.alive) this.#actor.effect();
    if (sql !== 'BEGIN EXCLUSIVE') this.#file.database.exec(sql);
    return this;
  }

  pragma(text: string, options?: Real.PragmaOptions): unknown {
    return this.#file.database.pragma(text, options);
  }

  transaction<T>(work: () => T): () => T {
    const { database } = this.#file;
    return () => {
      database.exec('BEGIN IMMEDIATE');
      try {
        const value = work();
        this.#beforeCommit();
        database.exec('COMMIT');
        return value;
      } catch (error) {
        if (database.inTransaction) database.exec('ROLLBACK');
        throw error;
      }
    };
  }

  close(): void {
    if (this.inTransaction) this.#file.database.exec('ROLLBACK');
  }

  #beforeCommit(): void {
    this.#actor.effect();
    if (disk().isFull(this.#file.path)) throw new Real.SqliteError('database or disk is full', 'SQLITE_FULL');
  }
}
