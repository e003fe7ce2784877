import { equalBytes } from './bytes.ts';
import { type Hash, sha256 } from './hash.ts';

/** Bytes in every hash of a tree. */
export const merkleHashBytes = 32;

/** RFC 6962 section 2.1: a leaf is hashed behind 0x00 and a node behind 0x01, so that neither passes for the other. */
export function leafHash(data: Uint8Array, hash: Hash = sha256): Uint8Array {
  const input = new Uint8Array(1 + data.length);
  input.set(data, 1);
  return hash(input);
}

export function nodeHash(left: Uint8Array, right: Uint8Array, hash: Hash = sha256): Uint8Array {
  const input = new Uint8Array(1 + left.length + right.length);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 1 + left.length);
  return hash(input);
}

/** The root of a tree without leaves. */
export function emptyRoot(hash: Hash = sha256): Uint8Array {
  return hash(new Uint8Array(0));
}

/** A size or an index: JavaScript's bit operators end at 32 bits, so trees are walked by division. */
export function isTreeSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

export interface InclusionClaim {
  readonly leafHash: Uint8Array;
  /** Counted from 0. */
  readonly index: number;
  readonly size: number;
  readonly root: Uint8Array;
  /** Sibling hashes from the leaf up. */
  readonly proof: readonly Uint8Array[];
}

export interface ConsistencyClaim {
  readonly oldSize: number;
  readonly oldRoot: Uint8Array;
  readonly newSize: number;
  readonly newRoot: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.every((each) => each.length === merkleHashBytes);
}

/** The pair of RFC 9162 section 2.1.3.2: the path of a leaf, and that of the last leaf of the tree. */
class Walk {
  #fn: number;
  #sn: number;

  constructor(index: number, last: number) {
    this.#fn = index;
    this.#sn = last;
  }

  get isAtRoot(): boolean {
    return this.#sn === 0;
  }

  get isRightChild(): boolean {
    return this.#fn % 2 === 1;
  }

  get isOnEdge(): boolean {
    return this.#fn === this.#sn;
  }

  up(): void {
    this.#fn = Math.floor(this.#fn / 2);
    this.#sn = Math.floor(this.#sn / 2);
  }

  /** Passes the levels where a node on the right edge has no sibling. */
  upWhileLeft(): void {
    while (!this.isRightChild && this.#fn !== 0) this.up();
  }

  upWhileRight(): void {
    while (this.isRightChild) this.up();
  }
}

/** The root that a leaf and its proof lead to; undefined when the proof does not fit the tree. */
export function inclusionRoot(
  claim: Omit<InclusionClaim, 'root'>,
  hash: Hash = sha256,
): Uint8Array | undefined {
  const { index, size, proof } = claim;
  if (!isTreeSize(index) || !isTreeSize(size) || index >= size) return undefined;
  if (!areHashes([claim.leafHash, ...proof])) return undefined;
  const walk = new Walk(index, size - 1);
  let current = claim.leafHash;
  for (const sibling of proof) {
    if (walk.isAtRoot) return undefined;
    if (walk.isRightChild || walk.isOnEdge) {
      current = nodeHash(sibling, current, hash);
      walk.upWhileLeft();
    } else {
      current = nodeHash(current, sibling, hash);
    }
    walk.up();
  }
  return walk.isAtRoot ? current : undefined;
}

/** Whether the leaf stands at that index of the tree with that root. Any malformed claim is simply false. */
export function verifyInclusion(claim: InclusionClaim, hash: Hash = sha256): boolean {
  const found = inclusionRoot(claim, hash);
  return found !== undefined && equalBytes(found, claim.root);
}

function isPowerOfTwo(value: number): boolean {
  return 2 ** Math.round(Math.log2(value)) === value;
}

/**
 * Whether the old tree is a prefix of the new one (RFC 9162 section 2.1.4.2). From an empty tree, and from a tree to
 * itself, only the empty proof holds. Any malformed claim is simply false.
 */
export function verifyConsistency(claim: ConsistencyClaim, hash: Hash = sha256): boolean {
  const { oldSize, oldRoot, newSize, newRoot, proof } = claim;
  if (!isTreeSize(oldSize) || !isTreeSize(newSize) || oldSize > newSize) return false;
  if (!areHashes([oldRoot, newRoot, ...proof])) return false;
  if (oldSize === newSize) return proof.length === 0 && equalBytes(oldRoot, newRoot);
  if (oldSize === 0) return proof.length === 0 && equalBytes(oldRoot, emptyRoot(hash));
  // A complete old tree is a node of the new one, and the proof leaves it out.
  const [first, ...rest] = isPowerOfTwo(oldSize) ? [oldRoot, ...proof] : proof;
  if (first === undefined) return false;
  const walk = new Walk(oldSize - 1, newSize - 1);
  walk.upWhileRight();
  let inOld = first;
  let inNew = first;
  for (const sibling of rest) {
    if (walk.isAtRoot) return false;
    if (walk.isRightChild || walk.isOnEdge) {
      inOld = nodeHash(sibling, inOld, hash);
      inNew = nodeHash(sibling, inNew, hash);
      walk.upWhileLeft();
    } else {
      inNew = nodeHash(inNew, sibling, hash);
    }
    walk.up();
  }
  return walk.isAtRoot && equalBytes(inOld, oldRoot) && equalBytes(inNew, newRoot);
}
