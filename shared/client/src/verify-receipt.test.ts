import { generateKeyPairSync, sign } from 'node:crypto';
import type { Address } from '@capacloud/protocol/ids';
import { nodeIdOf } from '@capacloud/protocol/ids';
import { encodeHex } from '@capacloud/protocol/log/bytes';
import { leafHash, nodeHash } from '@capacloud/protocol/log/merkle';
import { inclusionProof } from '@capacloud/protocol/log/merkle-proofs';
import {
  hashReceipt,
  type Receipt,
  receiptBatchMessage,
  type SignedReceipt,
} from '@capacloud/protocol/wire/receipt';
import { receiptBatchRoot } from '@capacloud/protocol/wire/receipt-batch';
import { describe, expect, test } from 'vitest';
import { verifyEd25519 } from './ed25519.ts';
import { taskIdAt } from './testing/views.ts';
import { type ReceiptVerifier, verifyReceipt } from './verify-receipt.ts';

const address = `0x${'12'.repeat(20)}` as Address;
const pair = generateKeyPairSync('ed25519');
const sessionKey = `0x${pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')}`;
const delegation = {
  node: address,
  provider: address,
  sessionKey,
  nonce: `0x${'00'.repeat(32)}`,
  coordinator: 'here',
  expiresAt: 1_800_000_000,
};

function receiptAt(attempt: number): Receipt {
  return {
    version: 1,
    node: nodeIdOf(address),
    task: taskIdAt(0),
    attempt,
    nonce: 'ab'.repeat(16),
    reason: 'completed',
    exitCode: 0,
    oomKilled: false,
    outputs: [],
    log: { sizeBytes: 3, truncated: false },
  };
}

/** As an agent and a coordinator make it: the receipt at `index` of a batch of `size`. */
function signedReceipt(index: number, size: number): SignedReceipt {
  const hashes = Array.from({ length: size }, (_, at) => hashReceipt(receiptAt(at + 1)));
  const levels = [hashes.map((each) => leafHash(each))];
  for (let below = levels[0] ?? []; below.length > 1; below = levels.at(-1) ?? [])
    levels.push(
      Array.from({ length: Math.floor(below.length / 2) }, (_, at) =>
        nodeHash(below[2 * at] as Uint8Array, below[2 * at + 1] as Uint8Array),
      ),
    );
  const path = inclusionProof(index, size, (level, at) => levels[level]?.[at] as Uint8Array);
  return {
    receipt: receiptAt(index + 1),
    hash: encodeHex(hashes[index] as Uint8Array) as SignedReceipt['hash'],
    batch: {
      index,
      size,
      path: path.map(encodeHex),
      signature: sign(null, receiptBatchMessage(receiptBatchRoot(hashes)), pair.privateKey).toString(
        'base64',
      ),
    },
    delegation,
    delegationSignature: '0xsigned',
  };
}

const verifier: ReceiptVerifier = {
  coordinator: 'here',
  chainId: 1,
  verifyEd25519,
  // The wallet's algorithm is ethers' to test; which words it signs is ours.
  verifyTypedData: (domain, types, value, signature) =>
    signature === '0xsigned' && domain.chainId === 1 && 'Delegation' in types && value === value
      ? address.toUpperCase().replace('0X', '0x')
      : `0x${'99'.repeat(20)}`,
};

describe('verifyReceipt', () => {
  test.each([
    [0, 1],
    [0, 2],
    [4, 5],
    [2, 7],
    [6, 7],
    [99, 128],
  ])('accepts receipt %i of %i', async (index, size) => {
    expect(await verifyReceipt(signedReceipt(index, size), verifier)).toEqual({
      ok: true,
      value: { node: nodeIdOf(address), delegationChecked: true },
    });
  });

  test('says when it did not check the wallet', async () => {
    const { verifyTypedData: _, ...without } = verifier;
    expect(await verifyReceipt(signedReceipt(0, 1), without)).toMatchObject({
      value: { delegationChecked: false },
    });
  });

  const good = signedReceipt(2, 5);
  const changed = (change: Partial<SignedReceipt>) => ({ ...good, ...change });
  const inBatch = (change: Partial<SignedReceipt['batch']>) =>
    changed({ batch: { ...good.batch, ...change } });
  const inDelegation = (change: Partial<SignedReceipt['delegation']>) =>
    changed({ delegation: { ...delegation, ...change } });
  const otherReceipt = { ...good.receipt, exitCode: 1 };
  test.each([
    ['a changed receipt', changed({ receipt: otherReceipt }), 'receipt.invalid'],
    [
      'a changed receipt with its hash',
      changed({ receipt: otherReceipt, hash: encodeHex(hashReceipt(otherReceipt)) as SignedReceipt['hash'] }),
      'receipt.signature_invalid',
    ],
    ['no canonical form', changed({ receipt: { ...good.receipt, attempt: 0.5 } }), 'receipt.invalid'],
    ['another index', inBatch({ index: 1 }), 'receipt.signature_invalid'],
    ['an index outside', inBatch({ index: 5 }), 'receipt.invalid'],
    ['a path that is too long', inBatch({ path: [...good.batch.path, '00'.repeat(32)] }), 'receipt.invalid'],
    ['a path that is too short', inBatch({ path: good.batch.path.slice(1) }), 'receipt.invalid'],
    ['a path of other things', inBatch({ path: ['zz', ...good.batch.path.slice(1)] }), 'receipt.invalid'],
    [
      'another sibling',
      inBatch({ path: ['00'.repeat(32), ...good.batch.path.slice(1)] }),
      'receipt.signature_invalid',
    ],
    ['no signature', inBatch({ signature: '' }), 'receipt.signature_invalid'],
    [
      'another signature',
      inBatch({ signature: Buffer.alloc(64).toString('base64') }),
      'receipt.signature_invalid',
    ],
    [
      'another session key',
      inDelegation({ sessionKey: `0x${'01'.repeat(32)}` }),
      'receipt.signature_invalid',
    ],
    ['no session key', inDelegation({ sessionKey: '0x' }), 'receipt.signature_invalid'],
    ['another node', inDelegation({ node: `0x${'34'.repeat(20)}` }), 'receipt.invalid'],
    ['another coordinator', inDelegation({ coordinator: 'there' }), 'session.delegation_invalid'],
    [
      'a delegation of somebody else',
      changed({ delegationSignature: '0xother' }),
      'session.delegation_invalid',
    ],
  ] as const)('refuses %s', async (_, signed, code) => {
    expect(await verifyReceipt(signed, verifier)).toMatchObject({ ok: false, refusal: { code } });
  });

  test('refuses a wallet signature that cannot be read', async () => {
    const verifyTypedData = () => {
      throw new TypeError('invalid signature');
    };
    expect(await verifyReceipt(good, { ...verifier, verifyTypedData })).toMatchObject({
      refusal: { code: 'session.delegation_invalid' },
    });
  });
});
