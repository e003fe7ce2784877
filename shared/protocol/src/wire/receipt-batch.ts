import { type Hash, sha256 } from '../log/hash.ts';
import { leafHash } from '../log/merkle.ts';
import { MerkleFrontier } from '../log/merkle-frontier.ts';

/** Root over the receipts of one report frame: `hashReceipt` of each, in the order of the frame, is a leaf's data. */
export function receiptBatchRoot(receiptHashes: readonly Uint8Array[], hash: Hash = sha256): Uint8Array {
  const tree = new MerkleFrontier(hash);
  for (const receiptHash of receiptHashes) tree.append(leafHash(receiptHash, hash));
  return tree.root();
}
