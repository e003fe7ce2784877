import type { AccountId, NodeId } from '@capacloud/protocol/ids';

export type Scope = 'consumer' | 'operator';

/** Somebody with an API key. An operator's key reaches the resources of every account. */
export interface KeyCaller {
  readonly kind: 'key';
  readonly keyId: string;
  /** Unix milliseconds; absent: it does not expire. */
  readonly expiresAt?: number;
  readonly account: AccountId;
  readonly scopes: readonly Scope[];
  readonly operator: boolean;
}
/** An agent with the token of its open session. */
export interface AgentCaller {
  readonly kind: 'agent';
  readonly node: NodeId;
  readonly provider: AccountId;
}
export type Caller = KeyCaller | AgentCaller;

/** Whether the caller may see what belongs to the account. */
export function reaches(caller: KeyCaller, account: string): boolean {
  return caller.operator || caller.account === account;
}
