import type { Committed } from '../ports/sequencer.ts';
import type { Session } from './session.ts';

/**
 * Heartbeats that wait to be acknowledged. An acknowledgement renews the lease of the node, and a decision that the node is
 * lost may be on its way to the disk. So each waits for what was decided before it came. Where the disk is slow, another
 * heartbeat comes before the one ahead of it is acknowledged. Then the last acknowledgement is repeated: it renews nothing, and
 * the agent hears that the coordinator is there. Otherwise all agents would leave at once and come back to the same disk.
 */
export class BeatQueue {
  readonly #committed: Pick<Committed, 'durable'>;
  readonly #acknowledge: (session: Session, beat: number) => void;
  readonly #repeat: (session: Session) => void;
  #waiting = new Map<Session, number>();
  /** Those that are told next; undefined while nothing waits. */
  #next: ReadonlyMap<Session, number> | undefined;

  constructor(
    committed: Pick<Committed, 'durable'>,
    acknowledge: (session: Session, beat: number) => void,
    repeat: (session: Session) => void,
  ) {
    this.#committed = committed;
    this.#acknowledge = acknowledge;
    this.#repeat = repeat;
  }

  add(session: Session, beat: number): void {
    if (this.#waiting.has(session) || this.#next?.has(session) === true) this.#repeat(session);
    this.#waiting.set(session, Math.max(this.#waiting.get(session) ?? 0, beat));
    if (this.#next === undefined) void this.#tell();
  }

  /** What comes while some wait is told together after them. */
  async #tell(): Promise<void> {
    while (this.#waiting.size > 0) {
      const beats = this.#waiting;
      this.#next = beats;
      this.#waiting = new Map();
      await this.#committed.durable();
      for (const [session, beat] of beats) this.#acknowledge(session, beat);
    }
    this.#next = undefined;
  }
}
