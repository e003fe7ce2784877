import type { AccountId, JobId, NodeId } from '@capacloud/protocol/ids';

export function numberedNode(n: number): NodeId {
  return `node_${n.toString(16).padStart(40, '0')}` as NodeId;
}

export function numberedJob(n: number): JobId {
  const letters = n
    .toString()
    .padStart(20, '0')
    .replace(/[0-9]/g, (digit) => 'abcdefghij'[Number(digit)] ?? '');
  return `job_${letters}` as JobId;
}

export function numberedAccount(kind: 'provider' | 'consumer', group: number, n: number): AccountId {
  return `acc_${kind}-${group}-${n}` as AccountId;
}
