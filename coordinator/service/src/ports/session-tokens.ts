import type { AccountId, NodeId } from '@capacloud/protocol/ids';

export interface AgentIdentity {
  readonly node: NodeId;
  readonly provider: AccountId;
}

/** Bearer tokens that open sessions gave to agents for their HTTP transfers. */
export interface SessionTokens {
  /** Undefined when the token is unknown or its session has ended. */
  resolve(token: string): AgentIdentity | undefined;
}
