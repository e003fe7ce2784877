import Real from 'better-sqlite3';
import type { Actor } from '../kernel/actor.ts';
import type { DatabaseFile } from '../kernel/database-file.ts';
import { disk } from '../kernel/disk.ts';
import { kernel } from '../kernel/kernel.ts';

type Row = readonly unknown[];

/** A statement, prepared when it is first used; what it writes outside a transaction is a commit of its own. */
class Statement {
  readonly #sql: string;
  readonly #database: SimulatedDatabase;
  #isPluck = false;
  #isSafe = false;
  #real: Real.Statement | undefined;

  constructor(sql: string, database: SimulatedDatabase) {
    this.#sql = sql;
    this.#database = database;
  }

  run(...args: Row): Real.RunResult {
    this.#database.beforeWrite();
    return this.#prepared().run(...args);
  }
  get(...args: Row): unknown {
    const real = this.#prepared();
    if (!real.readonly) this.#database.beforeWrite();
    return real.get(...args);
  }
  all(...args: Row): unknown[] {
    const real = this.#prepared();
    if (!real.readonly) this.#database.beforeWrite();
    return real.all(...args);
  }
  iterate(...args: Row): IterableIterator<unknown> {
    return this.#prepared().iterate(...args);
  }
  pluck(on = true): this {
    this.#isPluck = on;
    return this;
  }
  safeIntegers(on = true): this {
    this.#isSafe = on;
    return this;
  }

  #prepared(): Real.Statement {
    this.#real ??= this.#database.statement(this.#sql, this.#isPluck, this.#isSafe);
    return this.#real;
  }
}

/**
 * In the place of better-sqlite3: real SQLite in memory, one database for each simulated file. It outlives the
 * processes that open it, and keeps what they committed.
 */
// oxlint-disable-next-line import/no-default-export -- the package that it stands for has one
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
    return new Statement(sql, this);
  }

  statement(sql: string, isPluck: boolean, isSafe: boolean): Real.Statement {
    return this.#file.statement(sql, isPluck, isSafe);
  }

  exec(sql: string): this {
    if (sql === 'ROLLBACK') {
      if (this.inTransaction) this.#file.database.exec(sql);
      return this;
    }
    if (sql === 'COMMIT') this.#beforeCommit();
    else if (!this.#actor.alive) this.#actor.effect();
    if (sql === 'BEGIN IMMEDIATE') this.#file.begin();
    else if (sql === 'COMMIT') this.#file.commit();
    else if (sql !== 'BEGIN EXCLUSIVE') this.#file.database.exec(sql);
    return this;
  }

  pragma(text: string, options?: Real.PragmaOptions): unknown {
    return this.#file.database.pragma(text, options);
  }

  transaction<T>(work: () => T): () => T {
    const file = this.#file;
    return () => {
      file.begin();
      try {
        const value = work();
        this.#beforeCommit();
        file.commit();
        return value;
      } catch (error) {
        if (file.database.inTransaction) file.database.exec('ROLLBACK');
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
