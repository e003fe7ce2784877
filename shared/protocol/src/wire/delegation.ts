import type { Static } from 'typebox';
import type { DelegationSchema } from './delegation-schema.ts';

/**
 * What a node's wallet key signs once a session (EIP-712): "until `expiresAt` this Ed25519 key speaks for me
 * to that coordinator". Bound to the coordinator's fresh nonce, so it is taken up once, and to its name and
 * chain, so it cannot be used elsewhere.
 */
export type Delegation = Static<typeof DelegationSchema>;

export const delegationTypes = {
  Delegation: [
    { name: 'node', type: 'address' },
    { name: 'provider', type: 'address' },
    { name: 'sessionKey', type: 'bytes32' },
    { name: 'nonce', type: 'bytes32' },
    { name: 'coordinator', type: 'string' },
    { name: 'expiresAt', type: 'uint64' },
  ],
};

export function delegationDomain(chainId: number) {
  return { name: 'CapaCloud', version: '1', chainId };
}

/**
 * A session key may not outlive this. Within it, sessions may be resumed: the coordinator has recorded the wallet's word,
 * and each connection proves anew that the peer holds the session key. A newer delegation of the node ends that.
 */
export const maxDelegationLifetimeS = 24 * 3600;
