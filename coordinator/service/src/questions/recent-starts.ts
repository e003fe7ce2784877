import type { ReadOnly } from '@capacloud/core/read-only';
import type { State } from '@capacloud/core/state';
import type { Committed, CommittedEvent } from '../ports/sequencer.ts';

const maxShapes = 1000;
const keptStarts = 64;
const recentMs = 30 * 60_000;
/** Fewer say nothing about a pace. */
const fewStarts = 4;
/** A task that waited less found room at once: its start says how often jobs come, and not how often room does. */
const waitedMs = 2000;

/** How fast tasks leave the queue, by their shape. Only tasks that had to wait are noted. */
export class RecentStarts {
  readonly #state: Pick<ReadOnly<State>, 'jobs' | 'tasks'>;
  /** By shape, the least recently started first; times of starts, oldest first. */
  readonly #starts = new Map<string, number[]>();

  constructor(
    core: Pick<Committed, 'onCommitted'> & { readonly state: Pick<ReadOnly<State>, 'jobs' | 'tasks'> },
  ) {
    this.#state = core.state;
    core.onCommitted((events) => this.#note(events));
  }

  /** Milliseconds from one start to the next, and how many starts say so; undefined while too few do. */
  paceOf(shape: string, at: number): { readonly eachMs: number; readonly starts: number } | undefined {
    const recent = (this.#starts.get(shape) ?? []).filter((start) => start > at - recentMs);
    const [oldest] = recent;
    if (oldest === undefined || recent.length < fewStarts) return undefined;
    return { eachMs: Math.ceil((at - oldest) / recent.length), starts: recent.length };
  }

  #note(events: readonly CommittedEvent[]): void {
    for (const { event } of events) {
      if (event.type !== 'attempt.assigned' || event.attempt !== 1) continue;
      const task = this.#state.tasks.get(event.task);
      const job = task === undefined ? undefined : this.#state.jobs.get(task.job);
      if (job === undefined || event.at - job.submittedAt < waitedMs) continue;
      const starts = this.#starts.get(job.shape) ?? [];
      this.#starts.delete(job.shape);
      this.#starts.set(job.shape, starts);
      starts.push(event.at);
      if (starts.length > keptStarts) starts.shift();
      const [stalest] = this.#starts.keys();
      if (this.#starts.size > maxShapes && stalest !== undefined) this.#starts.delete(stalest);
    }
  }
}
