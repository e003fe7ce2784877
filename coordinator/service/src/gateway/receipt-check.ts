import { hash } from 'node:crypto';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { leafHash, nodeHash } from '@capacloud/protocol/log/merkle';
import { inclusionProof, rootAt } from '@capacloud/protocol/log/merkle-proofs';
import { receiptBatchMessage } from '@capacloud/protocol/wire/receipt';
import { nativeSha256 } from '../native-sha256.ts';

/** The receipts of one report frame, under their one signature. */
export interface SignedReceipts {
  /** Session key: 64 hex digits. */
  readonly key: string;
  /** Base64 of 64 bytes, as `isSignatureText` says. */
  readonly signature: string;
  /** Canonical JSON each, so none has a newline. */
  readonly receipts: readonly string[];
}

/** What is known of a receipt once its frame was found to be signed. */
export interface CheckedReceipt {
  readonly hash: Sha256Hex;
  /** Sibling hashes from its leaf up to the root that was signed, hex, one after another. */
  readonly path: string;
}

export type VerifyEd25519 = (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean;

/** The only spelling of a signature's 64 bytes: what is stored is what was checked. */
export function isSignatureText(text: string): boolean {
  return /^[A-Za-z0-9+/]{85}[AQgw]==$/.test(text);
}

/**
 * Frames as one text, for a thread that checks them: a text crosses over at the price of a copy, where objects are
 * walked, written and built anew.
 */
export function writeQuestion(frames: readonly SignedReceipts[]): string {
  let text = '';
  for (const { key, signature, receipts } of frames)
    text += `${key}\n${signature}\n${receipts.length}\n${receipts.join('\n')}\n`;
  return text;
}

/** Checks every frame of a question; `readAnswer` reads what it returns. */
export function answerQuestion(question: string, verify: VerifyEd25519): string {
  const lines = question.split('\n');
  let answer = '';
  for (let at = 0; at + 3 < lines.length; ) {
    const [key = '', signature = '', count = ''] = lines.slice(at, at + 3);
    const first = at + 3;
    at = first + Number(count);
    answer += checkFrame(key, signature, lines.slice(first, at), verify);
  }
  return answer;
}

/** For each frame its receipts, or undefined where the signature does not cover them. */
export function readAnswer(answer: string): (readonly CheckedReceipt[] | undefined)[] {
  const frames = answer.split('\n');
  frames.pop();
  return frames.map((frame) => (frame === '' ? undefined : frame.split(',').map(readReceipt)));
}

function readReceipt(text: string): CheckedReceipt {
  return { hash: text.slice(0, 64) as Sha256Hex, path: text.slice(64) };
}

function checkFrame(
  key: string,
  signature: string,
  receipts: readonly string[],
  verify: VerifyEd25519,
): string {
  const hashes = receipts.map((receipt) => hash('sha256', receipt, 'latin1'));
  const levels = completeSubtrees(hashes.map((each) => leafHash(Buffer.from(each, 'latin1'), nativeSha256)));
  const read = (level: number, index: number): Uint8Array => {
    const found = levels[level]?.[index];
    if (found === undefined) throw new RangeError(`the batch has no subtree ${index} at level ${level}`);
    return found;
  };
  const size = receipts.length;
  const message = receiptBatchMessage(rootAt(size, read, nativeSha256));
  // guard: the signature over the receipts
  if (!verify(Buffer.from(signature, 'base64'), message, Buffer.from(key, 'hex'))) return '\n';
  return `${hashes
    .map((each, index) => hex(Buffer.from(each, 'latin1')) + pathOf(index, size, read))
    .join(',')}\n`;
}

function pathOf(index: number, size: number, read: (level: number, index: number) => Uint8Array): string {
  return inclusionProof(index, size, read, nativeSha256).map(hex).join('');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

/** By level; the leaves are level 0. */
function completeSubtrees(leaves: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] {
  const levels: (readonly Uint8Array[])[] = [leaves];
  let below = leaves;
  while (below.length > 1) {
    const level: Uint8Array[] = [];
    for (let i = 1; i < below.length; i += 2)
      level.push(nodeHash(below[i - 1] as Uint8Array, below[i] as Uint8Array, nativeSha256));
    levels.push(level);
    below = level;
  }
  return levels;
}
