import { type Hash, sha256 } from './hash.ts';
import { emptyRoot, isTreeSize, nodeHash } from './merkle.ts';

/**
 * Reads the stored hash of a complete subtree: at `level`, `index` covers the leaves from index·2^level on.
 * Throws when it cannot.
 */
export type SubtreeReader = (level: number, index: number) => Uint8Array;

/** The largest power of two below `count`; `count` is at least 2. */
function splitPoint(count: number): number {
  let split = 1;
  while (split * 2 < count) split *= 2;
  return split;
}

/** Root of the leaves [begin, end). As RFC 6962 splits trees, `begin` is a multiple of the range's own split point. */
function rangeRoot(begin: number, end: number, read: SubtreeReader, hash: Hash): Uint8Array {
  const count = end - begin;
  if (count === 1) return read(0, begin);
  const split = splitPoint(count);
  if (split * 2 === count) return read(Math.round(Math.log2(count)), begin / count);
  return nodeHash(
    rangeRoot(begin, begin + split, read, hash),
    rangeRoot(begin + split, end, read, hash),
    hash,
  );
}

/** The root of the first `size` leaves, now or at any size that the tree once had. */
export function rootAt(size: number, read: SubtreeReader, hash: Hash = sha256): Uint8Array {
  if (!isTreeSize(size)) throw new RangeError('a tree size is a whole number from 0 to 2^53-1');
  return size === 0 ? emptyRoot(hash) : rangeRoot(0, size, read, hash);
}

/** RFC 6962 section 2.1.1: the siblings from leaf `index` up to the root of the first `size` leaves. */
export function inclusionProof(
  index: number,
  size: number,
  read: SubtreeReader,
  hash: Hash = sha256,
): Uint8Array[] {
  if (!isTreeSize(index) || !isTreeSize(size) || index >= size)
    throw new RangeError('an inclusion proof is of a leaf inside the tree');
  const proof: Uint8Array[] = [];
  let begin = 0;
  let end = size;
  while (end - begin > 1) {
    const middle = begin + splitPoint(end - begin);
    if (index < middle) {
      proof.push(rangeRoot(middle, end, read, hash));
      end = middle;
    } else {
      proof.push(rangeRoot(begin, middle, read, hash));
      begin = middle;
    }
  }
  return proof.reverse();
}

/** RFC 6962 section 2.1.2: that the first `oldSize` leaves are a prefix of the first `newSize`. */
export function consistencyProof(
  oldSize: number,
  newSize: number,
  read: SubtreeReader,
  hash: Hash = sha256,
): Uint8Array[] {
  if (!isTreeSize(oldSize) || !isTreeSize(newSize) || oldSize > newSize)
    throw new RangeError('a consistency proof is from a smaller tree to a larger one');
  if (oldSize === 0 || oldSize === newSize) return [];
  const proof: Uint8Array[] = [];
  let begin = 0;
  let end = newSize;
  while (end !== oldSize) {
    const middle = begin + splitPoint(end - begin);
    if (oldSize <= middle) {
      proof.push(rangeRoot(middle, end, read, hash));
      end = middle;
    } else {
      proof.push(rangeRoot(begin, middle, read, hash));
      begin = middle;
    }
  }
  // Where the old tree is one complete subtree, its root is known to whoever checks.
  if (begin > 0) proof.push(rangeRoot(begin, end, read, hash));
  return proof.reverse();
}
