import { encodeHex } from '@capacloud/protocol/log/bytes';
import { nodeHash } from '@capacloud/protocol/log/merkle';
import type { FrontierState } from '@capacloud/protocol/log/merkle-frontier';
import type Database from 'better-sqlite3';
import { nativeSha256 } from '../native-sha256.ts';
import { DataError } from './data-error.ts';

const storedLevels = 8;

/** Reads complete subtrees of the log's tree out of the stored leaf hashes and stored nodes. */
export class MerkleReader {
  readonly #leaves: Database.Statement<[number, number], { first: number; hashes: Buffer }>;
  readonly #nodes: Database.Statement<[number, number, number], Buffer>;
  readonly #size: Database.Statement<[], number>;

  constructor(database: Database.Database) {
    this.#leaves = database.prepare(
      `SELECT first, hashes FROM log_groups
       WHERE first >= (SELECT max(first) FROM log_groups WHERE first <= ?) AND first < ? ORDER BY first`,
    );
    this.#nodes = database
      .prepare<[number, number, number], Buffer>(
        'SELECT hash FROM merkle_nodes WHERE level = ? AND position >= ? AND position < ? ORDER BY position',
      )
      .pluck();
    this.#size = database
      .prepare<[], number>(
        'SELECT coalesce((SELECT first + count FROM log_groups ORDER BY first DESC LIMIT 1), 0)',
      )
      .pluck();
  }

  /** Entries in the log. */
  size(): number {
    return this.#size.get() ?? 0;
  }

  /** A SubtreeReader. Throws DataError log.damaged when a hash is missing. */
  readonly read = (level: number, index: number): Uint8Array => {
    const below = level % storedLevels;
    const stored = Math.floor(level / storedLevels);
    const width = 2 ** below;
    let hashes =
      stored === 0 ? this.leafHashes(index * width, width) : this.#storedNodes(stored, index * width, width);
    while (hashes.length > 1) {
      const parents: Uint8Array[] = [];
      for (let i = 0; i + 1 < hashes.length; i += 2)
        parents.push(nodeHash(hashes[i] as Uint8Array, hashes[i + 1] as Uint8Array, nativeSha256));
      hashes = parents;
    }
    return hashes[0] as Uint8Array;
  };

  leafHashes(begin: number, count: number): readonly Uint8Array[] {
    const end = begin + count;
    const found: Uint8Array[] = [];
    for (const { first, hashes } of this.#leaves.iterate(begin, end)) {
      const last = Math.min(end, first + hashes.length / 32);
      for (let index = Math.max(begin, first); index < last; index++)
        found.push(hashes.subarray(32 * (index - first), 32 * (index - first + 1)));
    }
    return expect(found, count, `leaf hashes from ${begin}`);
  }

  #storedNodes(level: number, begin: number, count: number): readonly Uint8Array[] {
    return expect(
      this.#nodes.all(level, begin, begin + count),
      count,
      `tree nodes of level ${level} from ${begin}`,
    );
  }

  /** The right edge of the tree. */
  frontier(): FrontierState {
    const size = this.size();
    const edge: string[] = [];
    let begin = 0;
    for (let level = 52; level >= 0; level--) {
      const width = 2 ** level;
      if (size - begin < width) continue;
      edge.push(encodeHex(this.read(level, begin / width)));
      begin += width;
    }
    return { size, edge };
  }
}

function expect<T>(found: readonly T[], count: number, what: string): readonly T[] {
  if (found.length !== count) throw new DataError('log.damaged', `The log lacks ${what}.`);
  return found;
}
