import type { FrontierState } from '@capacloud/protocol/log/merkle-frontier';
import { MerkleFrontier } from '@capacloud/protocol/log/merkle-frontier';
import type Database from 'better-sqlite3';
import { nativeSha256 } from '../native-sha256.ts';
import type { LogGroup, RowBatch } from '../ports/log.ts';
import { isRowShapeName, type RowShape, type RowShapeName, rowShapes } from './row-shapes.ts';

/** Rows of one statement execution, largest first: the call costs more than a row. */
const chunkSizes = [64, 8, 1] as const;
/** A node of the Merkle tree is stored when it is complete and its level is a multiple of this. */
const storedLevels = 8;

interface Chunk {
  readonly rows: number;
  readonly statement: Database.Statement;
}

/** Writes groups through one connection. Everything of a group is in one transaction. */
export class GroupWriter {
  readonly #database: Database.Database;
  readonly #chunks = new Map<RowShapeName, readonly Chunk[]>();
  readonly #readEpoch: Database.Statement<[], number>;
  readonly #insertGroup: Database.Statement;
  readonly #insertNode: Database.Statement;
  readonly #frontier: MerkleFrontier;
  #failed = false;

  constructor(database: Database.Database, frontier: FrontierState) {
    this.#database = database;
    this.#readEpoch = database.prepare<[], number>('SELECT epoch FROM lease').pluck();
    this.#insertGroup = database.prepare(
      'INSERT INTO log_groups (first, count, entries, hashes) VALUES (?, ?, ?, ?)',
    );
    this.#insertNode = database.prepare('INSERT INTO merkle_nodes (level, position, hash) VALUES (?, ?, ?)');
    this.#frontier = restore(frontier);
  }

  /**
   * Throws, and the file is as it was, when the epoch is not the lease's, the group does not follow, or a row
   * breaks a constraint. Nothing can be written after that: whoever made the group is ahead of the log.
   */
  write(group: LogGroup, fencingEpoch: number): void {
    if (this.#failed) throw new Error('an earlier group failed');
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      this.assertLeader(fencingEpoch);
      this.#appendEntries(group);
      for (const batch of group.rows) this.#writeRows(batch);
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#failed = true;
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  assertLeader(fencingEpoch: number): void {
    const epoch = this.#readEpoch.get();
    if (epoch !== fencingEpoch)
      throw new Error(`deposed: the lease has epoch ${epoch}, this coordinator ${fencingEpoch}`);
  }

  #appendEntries({ first, count, lines }: LogGroup): void {
    if (first !== this.#frontier.size)
      throw new Error(`the group begins at ${first}, the log ends at ${this.#frontier.size}`);
    // Private rows alone leave the log as it is.
    if (count === 0) return;
    const hashes = new Uint8Array(32 * count);
    // One buffer for the whole group: each leaf is hashed in place behind its 0x00 (RFC 6962 section 2.1), which
    // takes the place of the newline before it.
    const bytes = Buffer.from(`\n${lines}`);
    let begin = 0;
    let found = 0;
    while (begin < bytes.length) {
      let end = bytes.indexOf(newline, begin + 1);
      if (end === -1) end = bytes.length;
      bytes[begin] = 0;
      const leaf = nativeSha256(bytes.subarray(begin, end));
      if (found < count) hashes.set(leaf, 32 * found);
      found += 1;
      this.#frontier.append(leaf, this.#storeNode);
      begin = end;
    }
    if (found !== count) throw new Error(`the group counts ${count} entries and holds ${found}`);
    this.#insertGroup.run(first, count, lines, hashes);
  }

  readonly #storeNode = (level: number, index: number, node: Uint8Array): void => {
    if (level > 0 && level % storedLevels === 0) this.#insertNode.run(level / storedLevels, index, node);
  };

  #writeRows({ statement: name, rows, numbers, amounts, texts }: RowBatch): void {
    if (!isRowShapeName(name)) throw new Error(`no statement ${name}`);
    const { columns } = rowShapes[name] as RowShape;
    const numbersEach = columns.filter(([, kind]) => kind === 'n').length;
    const amountsEach = columns.filter(([, kind]) => kind === 'a').length;
    const textsEach = columns.length - numbersEach - amountsEach;
    if (
      numbers.length !== rows * numbersEach ||
      amounts.length !== rows * amountsEach ||
      texts.length !== rows * textsEach
    )
      throw new Error(`rows of ${name} do not fit their columns`);
    let row = 0;
    for (const { rows: size, statement } of this.#chunksOf(name)) {
      while (rows - row >= size) {
        const values: unknown[] = [];
        for (const end = row + size; row < end; row++) {
          for (let i = row * numbersEach; i < (row + 1) * numbersEach; i++) {
            const value = numbers[i] as number;
            values.push(value === value ? value : null);
          }
          for (let i = row * amountsEach; i < (row + 1) * amountsEach; i++) values.push(amounts[i]);
          for (let i = row * textsEach; i < (row + 1) * textsEach; i++) values.push(texts[i]);
        }
        statement.run(values);
      }
    }
  }

  #chunksOf(name: RowShapeName): readonly Chunk[] {
    let chunks = this.#chunks.get(name);
    if (chunks === undefined) {
      const { head, columns, tail = '' } = rowShapes[name] as RowShape;
      const row = `(${columns.map(() => '?').join(', ')})`;
      chunks = chunkSizes.map((rows) => ({
        rows,
        statement: this.#database.prepare(
          `${head} VALUES ${Array.from({ length: rows }, () => row).join(', ')} ${tail}`,
        ),
      }));
      this.#chunks.set(name, chunks);
    }
    return chunks;
  }
}

const newline = 0x0a;

function restore(state: FrontierState): MerkleFrontier {
  const frontier = MerkleFrontier.restore(state, nativeSha256);
  if (frontier === undefined) throw new Error('the Merkle frontier does not fit the size of the log');
  return frontier;
}
