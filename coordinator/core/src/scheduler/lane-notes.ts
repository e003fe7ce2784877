import type { ReadOnly } from '../read-only.ts';
import type { ConsumerQueue, Job, Lane } from '../slices/job/record.ts';

/** What the scheduler remembers of a lane. Times are those of commands, in Unix milliseconds, and 0 before the first. */
export interface LaneNotes {
  /** The pass in which it was last seen to its end. */
  seenIn: number;
  /** Where a look that was cut short in it goes on. */
  goesOn: { readonly pass: number; readonly job: ReadOnly<Job> } | undefined;
  /** When one of its tasks was last placed. */
  servedAt: number;
  /** When nodes were last sought that could be kept free for it. */
  triedAt: number;
  /** When attempts were last sought that could be stopped for it. */
  stopsSoughtAt: number;
}

const nothing: Readonly<LaneNotes> = Object.freeze({
  seenIn: 0,
  goesOn: undefined,
  servedAt: 0,
  triedAt: 0,
  stopsSoughtAt: 0,
});

/** Notes about what waits. They go when the lane or the queue goes. */
export class WaitingNotes {
  readonly #lanes = new WeakMap<ReadOnly<Lane>, LaneNotes>();
  readonly #triedAt = new WeakMap<ReadOnly<ConsumerQueue>, number>();

  of(lane: ReadOnly<Lane>): Readonly<LaneNotes> {
    return this.#lanes.get(lane) ?? nothing;
  }

  /** For a change. Most lanes come and go without a note. */
  openOf(lane: ReadOnly<Lane>): LaneNotes {
    let notes = this.#lanes.get(lane);
    if (notes === undefined) {
      notes = { ...nothing };
      this.#lanes.set(lane, notes);
    }
    return notes;
  }

  /** When nodes were last sought for one of the lanes of the consumer; 0 before. */
  triedAt(queue: ReadOnly<ConsumerQueue>): number {
    return this.#triedAt.get(queue) ?? 0;
  }

  noteTry(queue: ReadOnly<ConsumerQueue>, lane: ReadOnly<Lane>, at: number): void {
    this.#triedAt.set(queue, at);
    this.openOf(lane).triedAt = at;
  }
}
