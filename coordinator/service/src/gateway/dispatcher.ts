import type { NodeStatus } from '@capacloud/core/contract/event';
import type { JobId, NodeId } from '@capacloud/protocol/ids';
import type { Logger } from 'pino';
import type { AssignmentWriter } from './assignment-writer.ts';
import type { FlushQueue } from './flush-queue.ts';
import type { Placement, PlacementListener, Placements } from './placements.ts';
import type { Session } from './session.ts';
import type { SessionTable } from './session-table.ts';

/** Brings to agents what the log decided. Whatever gets lost on the way, `resendSilent` or a reconnect repairs. */
export class Dispatcher implements PlacementListener {
  readonly #sessions: SessionTable;
  readonly #placements: Placements;
  readonly #writer: AssignmentWriter;
  readonly #flushes: FlushQueue;
  readonly #logger: Logger;
  readonly #now: () => number;

  constructor(
    sessions: SessionTable,
    placements: Placements,
    writer: AssignmentWriter,
    flushes: FlushQueue,
    logger: Logger,
    now: () => number,
  ) {
    this.#sessions = sessions;
    this.#placements = placements;
    this.#writer = writer;
    this.#flushes = flushes;
    this.#logger = logger;
    this.#now = now;
  }

  placed(placement: Placement): void {
    const session = this.#sessions.get(placement.node);
    // One that is still opening is sent all it lacks with its welcome.
    if (session?.isOpen === true) this.send(session, placement);
  }

  revoked({ node, task, attempt }: Placement): void {
    const session = this.#sessions.get(node);
    if (session?.isOpen !== true) return;
    // guard: stop what ended without its node
    session.queueStop({ task, attempt });
    this.#flushes.add(session);
  }

  settled(job: JobId): void {
    this.#writer.forget(job);
  }

  nodeChanged(node: NodeId, status: NodeStatus): void {
    if (status === 'lost' || status === 'gone') this.#sessions.forget(node);
  }

  nodeForgotten(node: NodeId): void {
    this.#sessions.forget(node);
  }

  send(session: Session, placement: Placement): void {
    const json = this.#writer.write(placement, session.protocol);
    if (json === undefined) {
      void this.#loadAndSend(session, placement);
      return;
    }
    placement.sentAtMs = this.#now();
    session.queueAssignment(placement, json);
    this.#flushes.add(session);
  }

  /** Sends again what was sent `silentMs` ago or longer and never answered. An agent takes a repeat as no news. */
  resendSilent(silentMs: number): void {
    const before = this.#now() - silentMs;
    for (const [node, placements] of this.#placements.nodes()) {
      if (placements.size === 0) continue;
      const session = this.#sessions.get(node);
      if (session?.isOpen !== true) continue;
      for (const placement of placements)
        if (!placement.isKnown && placement.sentAtMs <= before) this.send(session, placement);
    }
  }

  async #loadAndSend(session: Session, placement: Placement): Promise<void> {
    try {
      const isKnown = await this.#writer.load(placement.job);
      if (!isKnown) {
        this.#logger.error({ job: placement.job }, 'the spec of a job is missing');
        return;
      }
      await this.#writer.loadCheckpoint(placement);
    } catch (error) {
      this.#logger.error({ err: error, job: placement.job }, 'the spec of a job could not be read');
      return;
    }
    const json = this.#writer.write(placement, session.protocol);
    const isCurrent = session.connection.isOpen && this.#placements.get(placement.task) === placement;
    if (json === undefined || !isCurrent) return;
    placement.sentAtMs = this.#now();
    session.queueAssignment(placement, json);
    this.#flushes.add(session);
  }
}
