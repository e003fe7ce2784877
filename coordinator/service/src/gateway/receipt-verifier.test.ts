import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { sha256, sha256Hex } from '@capacloud/protocol/log/hash';
import { leafHash, verifyInclusion } from '@capacloud/protocol/log/merkle';
import { receiptBatchMessage } from '@capacloud/protocol/wire/receipt';
import { receiptBatchRoot } from '@capacloud/protocol/wire/receipt-batch';
import { afterAll, describe, expect, test } from 'vitest';
import { isSignatureText, type SignedReceipts } from './receipt-check.ts';
import { ReceiptVerifier } from './receipt-verifier.ts';

const verifier = new ReceiptVerifier();
afterAll(() => verifier.close());

function rootOf(receipts: readonly string[]): Uint8Array {
  return receiptBatchRoot(receipts.map((text) => sha256(Buffer.from(text))));
}
function keyPair(): { readonly hex: string; readonly privateKey: KeyObject } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { hex: publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex'), privateKey };
}
const { hex: key, privateKey } = keyPair();
function signed(receipts: readonly string[], by = privateKey): SignedReceipts {
  return {
    key,
    receipts,
    signature: sign(null, receiptBatchMessage(rootOf(receipts)), by).toString('base64'),
  };
}
function texts(count: number): string[] {
  return Array.from({ length: count }, (_, n) =>
    canonicalJson({ n, text: n % 2 === 0 ? 'é, \n 漢 🙂' : 'plain' }),
  );
}

describe('receipts of one frame', () => {
  test.each([1, 2, 3, 4, 5, 7, 8, 33])(
    '%i under one signature have hashes and paths to its root',
    async (count) => {
      const receipts = texts(count);
      const checked = await verifier.check(signed(receipts));
      expect(checked?.map(({ hash }) => hash)).toEqual(receipts.map(sha256Hex));
      for (const [index, { hash, path }] of (checked ?? []).entries()) {
        const proof = (path.match(/.{64}/g) ?? []).map((each) => Buffer.from(each, 'hex'));
        const leaf = leafHash(Buffer.from(hash, 'hex'));
        expect(verifyInclusion({ leafHash: leaf, index, size: count, root: rootOf(receipts), proof })).toBe(
          true,
        );
      }
    },
  );

  test('a signature of another key, over other receipts, or that is none, covers nothing', async () => {
    const good = signed(texts(3));
    const bad: SignedReceipts[] = [
      signed(texts(3), keyPair().privateKey),
      { ...good, receipts: texts(2) },
      { ...good, receipts: texts(3).reverse() },
      { ...good, key: '0'.repeat(64) },
      { ...good, key: `01${'0'.repeat(62)}` },
      { ...good, signature: '' },
      { ...good, signature: good.signature.replace('==', '') },
      { ...good, signature: `${good.signature}\n` },
    ];
    const answers = await Promise.all([...bad, good].map((frame) => verifier.check(frame)));
    expect(answers.map((answer) => answer !== undefined)).toEqual([...bad.map(() => false), true]);
  });

  test('frames that come together are answered each for itself', async () => {
    const frames = Array.from({ length: 50 }, (_, index) => signed(texts(1 + (index % 4))));
    frames[17] = { ...(frames[17] as SignedReceipts), receipts: ['{}'] };
    const answers = await Promise.all(frames.map((frame) => verifier.check(frame)));
    expect(answers.map((answer) => answer?.length)).toEqual(
      frames.map(({ receipts }, index) => (index === 17 ? undefined : receipts.length)),
    );
  });
});

test('a signature has one spelling', () => {
  expect(isSignatureText(`${'A'.repeat(86)}==`)).toBe(true);
  expect(isSignatureText(`${'A'.repeat(85)}B==`)).toBe(false);
  expect(isSignatureText('A'.repeat(88))).toBe(false);
});
