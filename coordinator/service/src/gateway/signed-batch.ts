import { hash, type KeyObject } from 'node:crypto';
import { canonicalJson } from '@capacloud/protocol/canonical';
import type { Hash } from '@capacloud/protocol/hash';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { leafHash, nodeHash } from '@capacloud/protocol/merkle';
import { inclusionProof, rootAt } from '@capacloud/protocol/merkle-proofs';
import { type Receipt, receiptBatchMessage } from '@capacloud/protocol/receipt';
import { isSignedBy } from './ed25519.ts';

const sha256: Hash = (bytes) => hash('sha256', bytes, 'buffer');

interface HashedReceipt {
  readonly text: string;
  readonly hash: Buffer;
}

/** The receipts of one report frame under their one signature. */
export class SignedBatch {
  readonly #receipts: readonly HashedReceipt[];
  readonly #signatureBase64: string;
  /** The signature as JSON text. */
  readonly #signature: string;
  /** Complete subtrees by level; the leaves are level 0. */
  readonly #levels: readonly (readonly Uint8Array[])[];

  constructor(receipts: readonly Receipt[], signature: string) {
    this.#signatureBase64 = signature;
    this.#signature = JSON.stringify(signature);
    this.#receipts = receipts.map((receipt) => {
      const text = canonicalJson(receipt);
      return { text, hash: hash('sha256', text, 'buffer') };
    });
    this.#levels = completeSubtrees(this.#receipts.map((receipt) => leafHash(receipt.hash, sha256)));
  }

  isSignedBy(sessionKey: KeyObject): Promise<boolean> {
    const root = rootAt(this.#receipts.length, this.#read, sha256);
    return isSignedBy(sessionKey, receiptBatchMessage(root), this.#signatureBase64);
  }

  hashOf(index: number): Sha256Hex {
    return this.#at(index).hash.toString('hex') as Sha256Hex;
  }

  /** The SignedReceipt as JSON: all that a third party needs. `credentials` are the session's. */
  signedReceipt(index: number, credentials: string): string {
    const { text } = this.#at(index);
    const size = this.#receipts.length;
    let path = '';
    for (const sibling of inclusionProof(index, size, this.#read, sha256))
      path += `${path === '' ? '' : ','}"${Buffer.from(sibling.buffer, sibling.byteOffset, sibling.length).toString('hex')}"`;
    // Written by hand: there is one for each receipt.
    const batch = `{"index":${index},"size":${size},"path":[${path}],"signature":${this.#signature}}`;
    return `{"receipt":${text},"hash":"${this.hashOf(index)}","batch":${batch},${credentials}}`;
  }

  readonly #read = (level: number, index: number): Uint8Array => {
    const found = this.#levels[level]?.[index];
    if (found === undefined) throw new RangeError(`the batch has no subtree ${index} at level ${level}`);
    return found;
  };

  #at(index: number): HashedReceipt {
    const receipt = this.#receipts[index];
    if (receipt === undefined) throw new RangeError(`the batch has no receipt ${index}`);
    return receipt;
  }
}

function completeSubtrees(leaves: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] {
  const levels: (readonly Uint8Array[])[] = [leaves];
  let below = leaves;
  while (below.length > 1) {
    const level: Uint8Array[] = [];
    for (let i = 1; i < below.length; i += 2)
      level.push(nodeHash(below[i - 1] as Uint8Array, below[i] as Uint8Array, sha256));
    levels.push(level);
    below = level;
  }
  return levels;
}
