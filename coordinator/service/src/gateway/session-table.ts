import type { Contact } from '@capacloud/core/contract/command';
import type { NodeId } from '@capacloud/protocol/ids';
import type { AgentIdentity, SessionTokens } from '../ports/session-tokens.ts';
import type { Session } from './session.ts';

/** The one live session of each node, their tokens, and when each node was last heard. */
export class SessionTable implements SessionTokens {
  readonly #byNode = new Map<NodeId, Session>();
  readonly #byToken = new Map<string, Session>();
  /** Kept after a session ends until its node is lost or gone, so it is as bounded as the live nodes. */
  readonly #heard = new Map<NodeId, Contact>();

  get size(): number {
    return this.#byNode.size;
  }

  get(node: NodeId): Session | undefined {
    return this.#byNode.get(node);
  }

  values(): Iterable<Session> {
    return this.#byNode.values();
  }

  /** Gives the session that it takes the place of. */
  put(session: Session): Session | undefined {
    const older = this.#byNode.get(session.node);
    this.#byNode.set(session.node, session);
    this.#byToken.set(session.token, session);
    this.#heard.set(session.node, session.contact);
    return older;
  }

  end(session: Session): void {
    this.#byToken.delete(session.token);
    // A newer one may have taken its place.
    // guard: a newer session is the session of its node
    if (this.#byNode.get(session.node) !== session) return;
    this.#byNode.delete(session.node);
  }

  resolve(token: string): AgentIdentity | undefined {
    return this.#byToken.get(token);
  }

  /** As if the node had just spoken: after a restart nobody is blamed for our own silence. */
  assumeHeard(node: NodeId, atMs: number): void {
    this.#heard.set(node, { lastAt: atMs, sinceAt: atMs });
  }

  forget(node: NodeId): void {
    if (!this.#byNode.has(node)) this.#heard.delete(node);
  }

  heard(): ReadonlyMap<NodeId, Contact> {
    return this.#heard;
  }
}
