import type { Static } from 'typebox';
import { concatBytes, encodeUtf8 } from '../log/bytes.ts';
import { canonicalJson } from '../log/canonical.ts';
import { sha256 } from '../log/hash.ts';
import type { LogGapSchema, OutputFileSchema, ReceiptSchema, SignedReceiptSchema } from './receipt-schema.ts';

/** One file that an attempt produced. `path` is the path inside the container. */
export type OutputFile = Static<typeof OutputFileSchema>;

/** Of a log that grows without end the first bytes are kept and the last ones. */
export const logHeadBytes = 4 * 2 ** 20;
export const logTailBytes = 12 * 2 ** 20;

/** Bytes of a log that were not kept: from offset `from` up to, and without, offset `to`. */
export type LogGap = Static<typeof LogGapSchema>;

/**
 * The agent's signed statement of what an attempt did. An exit code is not a result: a container whose child
 * was OOM-killed, or that a stopping engine ended, can exit 0. So the reason is the agent's judgement of all
 * that it saw, and the manifest names every output by its hash.
 */
export type Receipt = Static<typeof ReceiptSchema>;

/** SHA-256 of the canonical receipt; it stands in the log for the receipt. */
export function hashReceipt(receipt: Receipt): Uint8Array {
  return sha256(encodeUtf8(canonicalJson(receipt)));
}

/**
 * What the session key signs: one signature covers all receipts of a report frame, through the Merkle root
 * (RFC 6962, leaves are the receipt hashes), because a signature a receipt would not fit one core at the
 * rates we aim for.
 */
export function receiptBatchMessage(root: Uint8Array): Uint8Array {
  return concatBytes(encodeUtf8('capacloud/receipts/1\n'), root);
}

/** A receipt with all that a third party needs to check it: batch proof, session key, delegation. */
export type SignedReceipt = Static<typeof SignedReceiptSchema>;
