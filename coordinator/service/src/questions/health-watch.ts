import type { Health } from '../ports/questions.ts';
import type { AnsweringCore } from './answering-core.ts';

/** The health of the coordinator as of the last commit, so that it is told while the disk does not answer. */
export class HealthWatch {
  readonly #notes: Pick<AnsweringCore['notes'], 'isPaused'>;
  readonly #isolated: Set<string>;

  /** The state holds nothing that is not on disk. */
  constructor(core: Pick<AnsweringCore, 'notes' | 'onCommitted' | 'state'>) {
    this.#notes = core.notes;
    this.#isolated = new Set(core.state.isolated.keys());
    core.onCommitted((events) => {
      for (const { event } of events) {
        if (event.type === 'subject.isolated') this.#isolated.add(event.subject);
        if (event.type === 'subject.reinstated') this.#isolated.delete(event.subject);
        if (event.type === 'job.settled') this.#isolated.delete(event.job);
      }
    });
  }

  /** Whether it is paused is decided by the start of the process, and is in no log. */
  get health(): Health {
    return { isPaused: this.#notes.isPaused, isolated: this.#isolated.size };
  }
}
