import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { type Address, type NodeId, nodeIdOf } from '@capacloud/protocol/ids';
import { encodeHex } from '@capacloud/protocol/log/bytes';
import type { Hash } from '@capacloud/protocol/log/hash';
import {
  type Delegation,
  delegationDomain,
  delegationTypes,
  maxDelegationLifetimeS,
} from '@capacloud/protocol/wire/delegation';
import { type ChallengeFrame, sessionProofMessage } from '@capacloud/protocol/wire/frames';
import { hashReceipt, type Receipt, receiptBatchMessage } from '@capacloud/protocol/wire/receipt';
import { receiptBatchRoot } from '@capacloud/protocol/wire/receipt-batch';
import { Wallet } from 'ethers';

const nativeSha256: Hash = (bytes) => createHash('sha256').update(bytes).digest();

/** A minute less than allowed, so that rounding never refuses it. */
const delegationLifetimeS = maxDelegationLifetimeS - 60;

/** A session key and the wallet's word for it. */
export interface Delegated {
  readonly key: SessionKey;
  readonly delegation: Delegation;
  readonly signature: string;
  readonly lifetimeMs: number;
}

/** The node's wallet: it signs session keys, and says who the node is. */
export class NodeIdentity {
  readonly address: Address;
  readonly node: NodeId;
  readonly provider: Address;
  readonly #wallet: Wallet;

  /** `privateKey`: 0x and 64 hex digits. `provider` is paid; by default the node's own address. */
  constructor(privateKey: string, provider?: Address) {
    this.#wallet = new Wallet(privateKey);
    this.address = this.#wallet.address.toLowerCase();
    this.node = nodeIdOf(this.address);
    this.provider = provider ?? this.address;
  }

  /**
   * A fresh session key and the wallet's word for it. It expires by the coordinator's clock, so that a wrong
   * clock on this machine does not lock the owner out.
   */
  async delegate(challenge: ChallengeFrame): Promise<Delegated> {
    const key = new SessionKey();
    const delegation: Delegation = {
      node: this.address,
      provider: this.provider,
      sessionKey: key.publicKey,
      nonce: challenge.nonce,
      coordinator: challenge.coordinator,
      expiresAt: Math.floor(challenge.nowMs / 1000) + delegationLifetimeS,
    };
    const domain = delegationDomain(challenge.chainId);
    const signature = await this.#wallet.signTypedData(domain, delegationTypes, delegation);
    return { key, delegation, signature: signature.toLowerCase(), lifetimeMs: delegationLifetimeS * 1000 };
  }
}

/** An Ed25519 key for one session and those that resume it; it never leaves memory. */
export class SessionKey {
  /** 0x and the raw key's 64 hex digits. */
  readonly publicKey: string;
  readonly #privateKey: KeyObject;

  constructor() {
    const pair = generateKeyPairSync('ed25519');
    this.#privateKey = pair.privateKey;
    const { x = '' } = pair.publicKey.export({ format: 'jwk' });
    this.publicKey = `0x${encodeHex(Buffer.from(x, 'base64url'))}`;
  }

  /** Base 64. */
  prove(nonce: string): string {
    return sign(null, Buffer.from(sessionProofMessage(nonce), 'utf8'), this.#privateKey).toString('base64');
  }

  /** One signature over all receipts of a report frame, base 64. */
  signReceipts(receipts: readonly Receipt[]): string {
    const root = receiptBatchRoot(receipts.map(hashReceipt), nativeSha256);
    return sign(null, receiptBatchMessage(root), this.#privateKey).toString('base64');
  }
}
