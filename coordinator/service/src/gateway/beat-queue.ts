import type { Committed } from '../ports/sequencer.ts';
import type { Session } from './session.ts';

/**
 * Heartbeats that wait to be acknowledged. An acknowledgement renews the lease of the node, and a decision that the node is
 * lost may be on its way to the disk. So each waits for what was decided before it came.
 */
export class BeatQueue {
  readonly #committed: Pick<Committed, 'durable'>;
  readonly #acknowledge: (session: Session, beat: number) => void;
  #waiting = new Map<Session, number>();
  #isTelling = false;

  constructor(committed: Pick<Committed, 'durable'>, acknowledge: (session: Session, beat: number) => void) {
    this.#committed = committed;
    this.#acknowledge = acknowledge;
  }

  add(session: Session, beat: number): void {
    this.#waiting.set(session, Math.max(this.#waiting.get(session) ?? 0, beat));
    if (!this.#isTelling) void this.#tell();
  }

  /** What comes while some wait is told together after them. */
  async #tell(): Promise<void> {
    this.#isTelling = true;
    while (this.#waiting.size > 0) {
      const beats = this.#waiting;
      this.#waiting = new Map();
      await this.#committed.durable();
      for (const [session, beat] of beats) this.#acknowledge(session, beat);
    }
    this.#isTelling = false;
  }
}
