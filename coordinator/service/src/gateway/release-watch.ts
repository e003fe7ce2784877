import type { NodeId } from '@capacloud/protocol/ids';
import type { NodeAttempt } from '../ports/questions.ts';
import type { Session } from './session.ts';

/** Times as long for what the node has named in this session: its engine may hang, or its program may not end. */
const patience = 5;

interface Watched {
  /** Attempts that have ended and that their nodes have not let go of. */
  readonly unreleased: () => Promise<readonly NodeAttempt[]>;
  readonly sessions: {
    get(
      node: NodeId,
    ):
      | (Pick<Session, 'isOpen' | 'named' | 'number'> & { connection: Pick<Session['connection'], 'refuse'> })
      | undefined;
  };
  /** How long a node may be silent about an attempt that has to go, before it is asked. */
  readonly releaseMs: number;
}

/**
 * An attempt that ended without its node's word takes room there, and keeps its job from settling, until the node says
 * that it has let go. A node that never says so, by its own fault or will, would hold both for ever. Its hello names all
 * that it holds, so the watch asks by ending the session. What the node names then it does hold, as it says, and gets longer.
 */
export class ReleaseWatch {
  readonly #watched: Watched;
  /** Since when each has been overdue, by session, task and attempt. It is as bounded as the attempts that nodes hold. */
  #since = new Map<string, number>();

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  async sweep(nowMs: number): Promise<void> {
    const { sessions, releaseMs, unreleased } = this.#watched;
    const since = new Map<string, number>();
    const refused = new Set<number>();
    for (const { attempt, node, task } of await unreleased()) {
      const session = sessions.get(node);
      if (session?.isOpen !== true || refused.has(session.number)) continue;
      const name = `${task}-${attempt}`;
      const key = `${session.number} ${name}`;
      const begun = this.#since.get(key) ?? nowMs;
      since.set(key, begun);
      if (nowMs - begun < (session.named.has(name) ? patience * releaseMs : releaseMs)) continue;
      refused.add(session.number);
      session.connection.refuse({
        code: 'session.stale',
        message: `Attempt ${attempt} of ${task} was ended and nothing is heard of it.`,
      });
    }
    this.#since = since;
  }
}
