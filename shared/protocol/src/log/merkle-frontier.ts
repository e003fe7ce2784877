import { decodeHex, encodeHex } from './bytes.ts';
import { type Hash, sha256 } from './hash.ts';
import { emptyRoot, isTreeSize, merkleHashBytes, nodeHash } from './merkle.ts';

/** What a frontier is restored from; plain JSON. */
export interface FrontierState {
  readonly size: number;
  /** Roots of the complete subtrees from the left, largest first, in hex: one per 1 bit of the size. */
  readonly edge: readonly string[];
}

/** Told of each complete subtree: level 0 are the leaves, and a node at `level` covers 2^level of them. */
export type SubtreeSink = (level: number, index: number, hash: Uint8Array) => void;

function countOnes(size: number): number {
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  return ones;
}

/** The right edge of an append-only RFC 6962 tree: enough to append and to know the root, in O(log n) memory. */
export class MerkleFrontier {
  readonly #hash: Hash;
  #size = 0;
  #edge: Uint8Array[] = [];

  constructor(hash: Hash = sha256) {
    this.#hash = hash;
  }

  /** Undefined when the state could not have been written by `serialize`. */
  static restore(state: FrontierState, hash: Hash = sha256): MerkleFrontier | undefined {
    if (!isTreeSize(state.size) || state.edge.length !== countOnes(state.size)) return undefined;
    const frontier = new MerkleFrontier(hash);
    for (const text of state.edge) {
      const bytes = decodeHex(text);
      if (bytes?.length !== merkleHashBytes) return undefined;
      frontier.#edge.push(bytes);
    }
    frontier.#size = state.size;
    return frontier;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends one leaf hash. `sink` hears of the leaf and of every subtree that it completes, from the leaf up. */
  append(leaf: Uint8Array, sink?: SubtreeSink): void {
    let current = leaf;
    let index = this.#size;
    let level = 0;
    sink?.(level, index, current);
    // Each 1 bit at the low end of the size is a complete subtree that the new leaf joins.
    while (index % 2 === 1) {
      const left = this.#edge.pop();
      if (left === undefined) throw new Error('merkle frontier: the edge does not match the size');
      current = nodeHash(left, current, this.#hash);
      index = Math.floor(index / 2);
      level += 1;
      sink?.(level, index, current);
    }
    this.#edge.push(current);
    this.#size += 1;
  }

  root(): Uint8Array {
    let current: Uint8Array | undefined;
    for (const subtree of this.#edge.toReversed())
      current = current === undefined ? subtree : nodeHash(subtree, current, this.#hash);
    return current ?? emptyRoot(this.#hash);
  }

  serialize(): FrontierState {
    return { size: this.#size, edge: this.#edge.map(encodeHex) };
  }
}
