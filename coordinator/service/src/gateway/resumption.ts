import { nodeIdOf } from '@capacloud/protocol/ids';
import type { Refusal } from '@capacloud/protocol/result';
import { type Delegation, delegationTypes } from '@capacloud/protocol/wire/delegation';
import type { ReadStore } from '../ports/read-store.ts';
import type { SessionTable } from './session-table.ts';

/**
 * Lets a node open a session with the delegation of its last one. The wallet's signature was verified when the
 * delegation was recorded, so comparing with the record stands for verifying it again (2 ms). Only the newest
 * delegation counts: a node that signs a new one takes every older session key out of use.
 */
export class Resumption {
  readonly #store: Pick<ReadStore, 'getNodeSession'>;
  readonly #sessions: SessionTable;

  constructor(store: Pick<ReadStore, 'getNodeSession'>, sessions: SessionTable) {
    this.#store = store;
    this.#sessions = sessions;
  }

  /** Undefined: the session may be resumed. That the peer holds the session key has been proven before. */
  async check(delegation: Delegation, signature: string): Promise<Refusal | undefined> {
    const node = nodeIdOf(delegation.node);
    const recorded = await this.#store.getNodeSession(node);
    if (recorded === undefined) return refused('No delegation of this node is recorded here.');
    const known = JSON.parse(recorded.delegation) as Delegation;
    const isSame =
      recorded.signature === signature &&
      delegationTypes.Delegation.every(({ name }) => {
        const field = name as keyof Delegation;
        return known[field] === delegation[field];
      });
    if (!isSame) return refused('The node has signed another delegation since.');
    // A newer one that is not durable yet.
    const live = this.#sessions.get(node);
    if (live !== undefined && live.delegationSignature !== signature)
      return refused('The node has signed another delegation since.');
    return undefined;
  }
}

function refused(message: string): Refusal {
  return { code: 'session.resumption_refused', message };
}
