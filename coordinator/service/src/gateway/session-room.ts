import type { NodeId } from '@capacloud/protocol/ids';
import type { Refusal } from '@capacloud/protocol/result';
import type { GatewayQuestions } from '../ports/questions.ts';
import type { GatewayLimits } from './gateway-limits.ts';
import type { Placements } from './placements.ts';
import type { SessionTable } from './session-table.ts';

interface RoomDeps {
  readonly limits: Pick<GatewayLimits, 'sessions'>;
  readonly placements: Pick<Placements, 'of'>;
  readonly questions: Pick<GatewayQuestions, 'provenAmong'>;
  readonly sessions: SessionTable;
}

export const noRoom: Refusal = {
  code: 'service.overloaded',
  message: 'The coordinator has no room for another node.',
};

/** Room for so many sessions. Where it is full, a node whose work was paid comes before one that has done nothing yet. */
export class SessionRoom {
  readonly #deps: RoomDeps;

  constructor(deps: RoomDeps) {
    this.#deps = deps;
  }

  /** Before anything is verified: why the node could not be let in anyway. */
  turnAway(node: NodeId, isProven: boolean): Refusal | undefined {
    return !this.has(node) && !isProven ? noRoom : undefined;
  }

  /** Whether there is a place for the node, or it has one already. */
  has(node: NodeId): boolean {
    const { limits, sessions } = this.#deps;
    return sessions.size < limits.sessions || sessions.get(node) !== undefined;
  }

  /** A node whose work was paid takes the place of one that has done nothing yet, where there is no other. */
  async make(node: NodeId, isProven: boolean): Promise<boolean> {
    const { placements, questions, sessions } = this.#deps;
    if (this.has(node)) return true;
    if (!isProven) return false;
    const idle = Array.from(sessions.values(), (session) => session.node).filter(
      (each) => placements.of(each).size === 0,
    );
    const proven = new Set(await questions.provenAmong(idle));
    // Another may have left, or have taken the place, meanwhile.
    if (this.has(node)) return true;
    const evicted = idle.find(
      (each) => !proven.has(each) && sessions.get(each) !== undefined && placements.of(each).size === 0,
    );
    if (evicted === undefined) return false;
    sessions.get(evicted)?.connection.evict(noRoom);
    return true;
  }
}
