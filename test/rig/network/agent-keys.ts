import { generateKeyPairSync, hash, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { NodeId } from '@capacloud/protocol/ids';
import { nodeIdOf } from '@capacloud/protocol/ids';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { type Delegation, delegationDomain, delegationTypes } from '@capacloud/protocol/wire/delegation';
import type { ChallengeFrame, HelloFrame, ReportItem } from '@capacloud/protocol/wire/frames';
import { sessionProofMessage } from '@capacloud/protocol/wire/frames';
import { receiptBatchMessage } from '@capacloud/protocol/wire/receipt';
import { receiptBatchRoot } from '@capacloud/protocol/wire/receipt-batch';
import { type BaseWallet, Wallet } from 'ethers';

/** What an agent signs with, and what it says at the handshake: real keys, real signatures. */

export interface Identity {
  readonly wallet: BaseWallet;
  readonly node: NodeId;
  readonly address: string;
}

export function createIdentity(privateKey: string = `0x${randomBytes(32).toString('hex')}`): Identity {
  const wallet = new Wallet(privateKey);
  const address = wallet.address.toLowerCase();
  return { wallet, address, node: nodeIdOf(address) };
}

export interface SessionKey {
  readonly privateKey: KeyObject;
  /** 0x and 64 hex digits. */
  readonly publicKey: string;
}

export function createSessionKey(): SessionKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const der = publicKey.export({ format: 'der', type: 'spki' });
  return { privateKey, publicKey: `0x${der.subarray(-32).toString('hex')}` };
}

export const plainOffer: Offer = {
  cpuMilli: 4000,
  memoryBytes: 8 * 2 ** 30,
  diskBytes: 64 * 2 ** 30,
  slots: 4,
  devices: [],
  arch: 'amd64',
  allowRoot: false,
  ask: {
    cpuHourNano: '1000000',
    memoryGibHourNano: '1000000',
    diskGibHourNano: '0',
    deviceHourNano: '1000000000',
  },
};

/** The hello that answers a challenge; `change` may spoil the delegation before it is signed. */
export async function createHello(
  challenge: ChallengeFrame,
  identity: Identity,
  key: SessionKey,
  extra: Partial<Pick<HelloFrame, 'offer' | 'accepting' | 'attempts' | 'protocols'>> = {},
  change: (delegation: Delegation) => Delegation = (delegation) => delegation,
  chainId: number = challenge.chainId,
): Promise<HelloFrame> {
  const delegation = change({
    node: identity.address,
    provider: identity.address,
    sessionKey: key.publicKey,
    nonce: challenge.nonce,
    coordinator: challenge.coordinator,
    expiresAt: Math.floor(challenge.nowMs / 1000) + 3600,
  });
  return {
    type: 'hello',
    protocols: [1],
    agentVersion: '0.1.0-scripted',
    delegation,
    signature: await identity.wallet.signTypedData(delegationDomain(chainId), delegationTypes, delegation),
    proof: sign(null, Buffer.from(sessionProofMessage(challenge.nonce)), key.privateKey).toString('base64'),
    offer: plainOffer,
    accepting: true,
    attempts: [],
    ...extra,
  };
}

/** The hello of a session that goes on with the delegation of an earlier one. */
export function resumingHello(
  challenge: ChallengeFrame,
  earlier: HelloFrame,
  key: SessionKey,
  extra: Partial<HelloFrame> = {},
): HelloFrame {
  const proof = sign(null, Buffer.from(sessionProofMessage(challenge.nonce)), key.privateKey);
  return { ...earlier, protocols: [2, 1], proof: proof.toString('base64'), ...extra };
}

/** One signature over the receipts among the items, as a report frame carries it. */
export function signItems(items: readonly ReportItem[], key: SessionKey): string | undefined {
  const hashes: Uint8Array[] = [];
  for (const item of items) {
    if (item.kind === 'finished') hashes.push(hash('sha256', canonicalJson(item.receipt), 'buffer'));
  }
  if (hashes.length === 0) return undefined;
  const root = receiptBatchRoot(hashes, (bytes) => hash('sha256', bytes, 'buffer'));
  return sign(null, receiptBatchMessage(root), key.privateKey).toString('base64');
}
