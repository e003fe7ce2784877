import type { Session } from './session.ts';

/** Sessions with something to send, each flushed once after the present turn: frames of one group go out together. */
export class FlushQueue {
  readonly #waiting = new Set<Session>();
  #isScheduled = false;

  add(session: Session): void {
    this.#waiting.add(session);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#isScheduled = false;
    const sessions = [...this.#waiting];
    this.#waiting.clear();
    for (const session of sessions) session.flush();
  }
}
