import { parentPort } from 'node:worker_threads';
import { type Delegation, delegationDomain, delegationTypes } from '@capacloud/protocol/wire/delegation';
import { verifyTypedData } from 'ethers';

export interface DelegationQuestion {
  readonly id: number;
  readonly chainId: number;
  readonly delegation: Delegation;
  readonly signature: string;
}
export interface DelegationAnswer {
  readonly id: number;
  readonly isValid: boolean;
}

/** Whether the wallet of the node signed the delegation. A signature that cannot be read is simply not valid. */
function isSigned({ chainId, delegation, signature }: DelegationQuestion): boolean {
  try {
    const signer = verifyTypedData(delegationDomain(chainId), delegationTypes, delegation, signature);
    return signer.toLowerCase() === delegation.node;
  } catch {
    return false;
  }
}

const port = parentPort;
if (port === null) throw new Error('delegation-worker runs as a worker thread');
port.on('message', (question: DelegationQuestion) => {
  const answer: DelegationAnswer = { id: question.id, isValid: isSigned(question) };
  port.postMessage(answer);
});
