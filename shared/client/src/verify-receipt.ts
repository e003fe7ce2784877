import type { NodeId } from '@capacloud/protocol/ids';
import { nodeIdOf } from '@capacloud/protocol/ids';
import { decodeBase64, decodeHex, encodeHex } from '@capacloud/protocol/log/bytes';
import { inclusionRoot, leafHash } from '@capacloud/protocol/log/merkle';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import { type Delegation, delegationDomain, delegationTypes } from '@capacloud/protocol/wire/delegation';
import { hashReceipt, receiptBatchMessage, type SignedReceipt } from '@capacloud/protocol/wire/receipt';

export interface ReceiptVerifier {
  /** Name of the coordinator that the node must have delegated to: `name` of GET /v1/info. */
  readonly coordinator: string;
  /** `chain_id` of GET /v1/info. */
  readonly chainId: number;
  /**
   * Recovers the address that signed EIP-712 typed data: `verifyTypedData` of ethers. Without it the delegation's
   * signature is not checked, and the session key is taken on the coordinator's word.
   */
  readonly verifyTypedData?: (
    domain: ReturnType<typeof delegationDomain>,
    types: typeof delegationTypes,
    value: Delegation,
    signature: string,
  ) => string;
  /** Ed25519 (RFC 8032) with a raw 32-byte key: `verifyEd25519` of ./ed25519.ts in Node. */
  readonly verifyEd25519: (
    key: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ) => boolean | Promise<boolean>;
}

export interface VerifiedReceipt {
  readonly node: NodeId;
  /** Whether the wallet's word for the session key was checked too. */
  readonly delegationChecked: boolean;
}

/**
 * Checks everything that a signed receipt claims, trusting nobody: the receipt's hash, its place in the batch,
 * the session key's signature over the batch, and the wallet's delegation to that key. Refuses with
 * `receipt.invalid`, `receipt.signature_invalid` or `session.delegation_invalid`.
 *
 * It cannot tell whether the attempt was the one that counted: that is in the log.
 */
export async function verifyReceipt(
  signed: SignedReceipt,
  verifier: ReceiptVerifier,
): Promise<Result<VerifiedReceipt>> {
  const { receipt, batch, delegation } = signed;
  const receiptHash = hashOf(signed);
  if (receiptHash === undefined || encodeHex(receiptHash) !== signed.hash)
    return refuse('receipt.invalid', 'The hash is not that of the receipt.');
  if (receipt.node !== nodeIdOf(delegation.node))
    return refuse('receipt.invalid', 'The receipt is of another node than the delegation.');

  const root = batchRoot(receiptHash, batch);
  if (root === undefined)
    return refuse('receipt.invalid', 'The path of the batch does not lead from the receipt to a root.');
  const key = decodeHex(delegation.sessionKey.slice(2));
  const signature = decodeBase64(batch.signature);
  const isSigned =
    key?.length === 32 &&
    signature?.length === 64 &&
    (await verifier.verifyEd25519(key, receiptBatchMessage(root), signature));
  if (!isSigned)
    return refuse('receipt.signature_invalid', 'The session key did not sign the batch of the receipt.');

  if (delegation.coordinator !== verifier.coordinator)
    return refuse(
      'session.delegation_invalid',
      `The delegation is for the coordinator ${delegation.coordinator}.`,
    );
  const { verifyTypedData } = verifier;
  if (verifyTypedData !== undefined && !isDelegated(signed, verifier.chainId, verifyTypedData))
    return refuse('session.delegation_invalid', 'The wallet of the node did not sign the delegation.');
  return accept({ node: receipt.node, delegationChecked: verifyTypedData !== undefined });
}

/** Undefined when the receipt has no canonical form, which no agent could have hashed either. */
function hashOf({ receipt }: SignedReceipt): Uint8Array | undefined {
  try {
    return hashReceipt(receipt);
  } catch {
    return undefined;
  }
}

function batchRoot(receiptHash: Uint8Array, { index, size, path }: SignedReceipt['batch']) {
  const proof: Uint8Array[] = [];
  for (const sibling of path) {
    const bytes = decodeHex(sibling);
    if (bytes === undefined) return undefined;
    proof.push(bytes);
  }
  return inclusionRoot({ leafHash: leafHash(receiptHash), index, size, proof });
}

function isDelegated(
  { delegation, delegationSignature }: SignedReceipt,
  chainId: number,
  verifyTypedData: NonNullable<ReceiptVerifier['verifyTypedData']>,
): boolean {
  try {
    const signer = verifyTypedData(
      delegationDomain(chainId),
      delegationTypes,
      delegation,
      delegationSignature,
    );
    return signer.toLowerCase() === delegation.node;
  } catch {
    // A signature that cannot be read is simply not valid.
    return false;
  }
}
