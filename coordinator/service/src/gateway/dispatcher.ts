import type { NodeStatus } from '@capacloud/core/contract/event';
import type { Ruleset } from '@capacloud/core/contract/ruleset';
import type { JobId, NodeId } from '@capacloud/protocol/ids';
import type { Logger } from 'pino';
import type { AssignmentWriter } from './assignment-writer.ts';
import type { FlushQueue } from './flush-queue.ts';
import type { Placement, PlacementListener, Placements } from './placements.ts';
import type { GatewayRules } from './rules.ts';
import type { Membership, Session } from './session.ts';
import type { SessionTable } from './session-table.ts';

export interface DispatcherDeps {
  readonly sessions: SessionTable;
  readonly placements: Placements;
  readonly writer: AssignmentWriter;
  readonly flushes: FlushQueue;
  readonly rules: GatewayRules;
  readonly logger: Logger;
  now(): number;
}

/** Brings to agents what the log decided. Whatever gets lost on the way, `resendSilent` or a reconnect repairs. */
export class Dispatcher implements PlacementListener {
  readonly #deps: DispatcherDeps;

  constructor(deps: DispatcherDeps) {
    this.#deps = deps;
  }

  placed(placement: Placement): void {
    const session = this.#deps.sessions.get(placement.node);
    // One that is still opening is sent all it lacks with its welcome.
    if (session?.isOpen === true) this.send(session, placement);
  }

  revoked({ node, task, attempt }: Placement): void {
    const session = this.#deps.sessions.get(node);
    if (session?.isOpen !== true) return;
    // guard: stop what ended without its node
    session.queueStop({ task, attempt });
    this.#deps.flushes.add(session);
  }

  settled(job: JobId): void {
    this.#deps.writer.forget(job);
  }

  nodeChanged(node: NodeId, status: NodeStatus): void {
    this.#become(node, status === 'lost' ? 'lost' : 'member');
    if (status === 'lost' || status === 'gone') this.#deps.sessions.forget(node);
  }

  nodeJoined(node: NodeId): void {
    this.#become(node, 'member');
  }

  nodeForgotten(node: NodeId): void {
    this.#become(node, 'stranger');
    this.#deps.sessions.forget(node);
  }

  rulesChanged(ruleset: Ruleset): void {
    this.#deps.rules.current = ruleset;
  }

  #become(node: NodeId, membership: Membership): void {
    const session = this.#deps.sessions.get(node);
    if (session !== undefined) session.membership = membership;
  }

  send(session: Session, placement: Placement): void {
    const json = this.#deps.writer.write(placement, session.protocol);
    if (json === undefined) {
      void this.#loadAndSend(session, placement);
      return;
    }
    placement.sentAtMs = this.#deps.now();
    session.queueAssignment(placement, json);
    this.#deps.flushes.add(session);
  }

  /** Sends again what was sent `silentMs` ago or longer and never answered. An agent takes a repeat as no news. */
  resendSilent(silentMs: number): void {
    const before = this.#deps.now() - silentMs;
    for (const [node, placements] of this.#deps.placements.nodes()) {
      if (placements.size === 0) continue;
      const session = this.#deps.sessions.get(node);
      if (session?.isOpen !== true) continue;
      for (const placement of placements)
        if (!placement.isKnown && placement.sentAtMs <= before) this.send(session, placement);
    }
  }

  async #loadAndSend(session: Session, placement: Placement): Promise<void> {
    try {
      const isKnown = await this.#deps.writer.load(placement.job);
      if (!isKnown) {
        this.#deps.logger.error({ job: placement.job }, 'the spec of a job is missing');
        return;
      }
      await this.#deps.writer.loadCheckpoint(placement);
    } catch (error) {
      this.#deps.logger.error({ err: error, job: placement.job }, 'the spec of a job could not be read');
      return;
    }
    const json = this.#deps.writer.write(placement, session.protocol);
    const isCurrent = session.connection.isOpen && this.#deps.placements.get(placement.task) === placement;
    if (json === undefined || !isCurrent) return;
    placement.sentAtMs = this.#deps.now();
    session.queueAssignment(placement, json);
    this.#deps.flushes.add(session);
  }
}
