import Database from 'better-sqlite3';

/** One simulated file that is a database. Statements are prepared once, whatever number of processes comes and goes. */
export class DatabaseFile {
  readonly path: string;
  readonly database: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();
  readonly #begin: Database.Statement;
  readonly #commit: Database.Statement;

  /** `bytes`: those of an earlier time. */
  constructor(path: string, bytes?: Buffer) {
    this.path = path;
    this.database = new Database(bytes ?? ':memory:');
    this.#begin = this.database.prepare('BEGIN IMMEDIATE');
    this.#commit = this.database.prepare('COMMIT');
  }

  statement(sql: string, isPluck: boolean, isSafe: boolean): Database.Statement {
    const key = `${isPluck ? 'p' : ''}${isSafe ? 's' : ''} ${sql}`;
    let statement = this.#statements.get(key);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      if (isPluck) statement.pluck();
      if (isSafe) statement.safeIntegers();
      this.#statements.set(key, statement);
    }
    return statement;
  }

  begin(): void {
    this.#begin.run();
  }
  commit(): void {
    this.#commit.run();
  }
}
