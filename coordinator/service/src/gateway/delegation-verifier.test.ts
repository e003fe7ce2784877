import { delegationDomain, delegationTypes } from '@capacloud/protocol/wire/delegation';
import { Wallet } from 'ethers';
import { afterEach, expect, test } from 'vitest';
import { DelegationVerifier } from './delegation-verifier.ts';

const closing: DelegationVerifier[] = [];
afterEach(async () => {
  for (const verifier of closing.splice(0)) await verifier.close();
});

const someone = { address: '192.0.2.1', isKnown: false };

async function signed() {
  const wallet = Wallet.createRandom();
  const node = wallet.address.toLowerCase();
  const delegation = {
    node,
    provider: node,
    sessionKey: `0x${'1'.repeat(64)}`,
    nonce: `0x${'2'.repeat(64)}`,
    coordinator: 'test.local',
    expiresAt: 1,
  };
  return {
    delegation,
    signature: await wallet.signTypedData(delegationDomain(7), delegationTypes, delegation),
  };
}

test('a wallet’s own signature is valid on its chain, and nothing else is', async () => {
  const verifier = new DelegationVerifier(1, 100);
  closing.push(verifier);
  const { delegation, signature } = await signed();
  expect(await verifier.verify(7, delegation, signature, someone)).toBe(true);
  expect(await verifier.verify(8, delegation, signature, someone)).toBe(false);
  expect(await verifier.verify(7, { ...delegation, expiresAt: 2 }, signature, someone)).toBe(false);
  expect(await verifier.verify(7, delegation, `0x${'0'.repeat(130)}`, someone)).toBe(false);
  expect(await verifier.verify(7, delegation, 'nonsense', someone)).toBe(false);
});

test('the queue is bounded, and its threads take their questions with them when they end', async () => {
  const verifier = new DelegationVerifier(1, 2);
  const { delegation, signature } = await signed();
  // Eight are with the thread, and one more may wait: an address takes no more than it leaves.
  const waiting = Array.from({ length: 9 }, async () =>
    verifier.verify(7, delegation, signature, someone)?.catch((error: Error) => error),
  );
  expect(verifier.verify(7, delegation, signature, someone)).toBeUndefined();
  await verifier.close();
  for (const answer of await Promise.all(waiting)) expect(answer).toBeInstanceOf(Error);
});
