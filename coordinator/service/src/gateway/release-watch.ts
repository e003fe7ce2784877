import type { NodeRecord } from '@capacloud/core/state';
import type { NodeId } from '@capacloud/protocol/ids';
import type { Placements } from './placements.ts';
import type { Session } from './session.ts';

/** Times as long for what the node has named in this session: its engine may hang, or its program not want to end. */
const patience = 5;

interface Watched {
  readonly nodes: () => Iterable<Pick<NodeRecord, 'id' | 'occupied'>>;
  readonly placements: Pick<Placements, 'get'>;
  readonly sessions: {
    get(
      node: NodeId,
    ):
      | (Pick<Session, 'isOpen' | 'named' | 'number'> & { connection: Pick<Session['connection'], 'refuse'> })
      | undefined;
  };
  /** Silence about an attempt that has to go, after which its node is asked. */
  readonly releaseMs: number;
}

/**
 * An attempt that ended without its node's word takes room there, and keeps its job from settling, until the node says
 * that it has let go. A node that never says so, by its own fault or will, would hold both for ever. Its hello names all
 * that it holds, so it is asked by ending the session. What it names then it does hold, as it says, and it is given longer.
 */
export class ReleaseWatch {
  readonly #watched: Watched;
  /** Since when each has been overdue, by session, task and attempt; as bounded as the attempts that nodes hold. */
  #since = new Map<string, number>();

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  sweep(nowMs: number): void {
    const { nodes, placements, sessions, releaseMs } = this.#watched;
    const since = new Map<string, number>();
    for (const { id, occupied } of nodes()) {
      const session = sessions.get(id);
      if (session?.isOpen !== true) continue;
      for (const { task, attempt } of occupied.values()) {
        if (placements.get(task)?.attempt === attempt) continue;
        const name = `${task}-${attempt}`;
        const key = `${session.number} ${name}`;
        const begun = this.#since.get(key) ?? nowMs;
        since.set(key, begun);
        if (nowMs - begun < (session.named.has(name) ? patience * releaseMs : releaseMs)) continue;
        session.connection.refuse({
          code: 'session.stale',
          message: `Attempt ${attempt} of ${task} was ended and nothing is heard of it.`,
        });
        break;
      }
    }
    this.#since = since;
  }
}
