import type { Event } from '@capacloud/core/contract/event';
import { type JobId, jobIdOf, type TaskId } from '@capacloud/protocol/ids';
import type { Committed, CommittedEvent } from '../ports/sequencer.ts';

/** What a committed group changed of one job. */
export interface JobChange {
  /** `all` when an event stands for every task. */
  readonly tasks: readonly TaskId[] | 'all';
  /** How many of its tasks ended; without a bound when an event may end every task. */
  readonly ended: number;
  /** Index of the last event that concerned it. */
  readonly index: number;
}

/** Tells those who watch a job that it changed, after the change is durable. Costs nothing while nobody watches. */
export class JobFeed {
  readonly #watchers = new Map<JobId, Set<(change: JobChange) => void>>();

  constructor(committed: Pick<Committed, 'onCommitted'>) {
    committed.onCommitted((events) => {
      if (this.#watchers.size > 0) this.#tell(events);
    });
  }

  watch(job: JobId, listener: (change: JobChange) => void): () => void {
    const listeners = this.#watchers.get(job) ?? new Set();
    listeners.add(listener);
    this.#watchers.set(job, listeners);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#watchers.delete(job);
    };
  }

  #tell(events: readonly CommittedEvent[]): void {
    const changes = new Map<JobId, { tasks: Set<TaskId> | 'all'; ended: number; index: number }>();
    for (const { index, event } of events) {
      const subject = subjectOf(event);
      if (subject === undefined || !this.#watchers.has(subject.job)) continue;
      const change = changes.get(subject.job) ?? { tasks: new Set<TaskId>(), ended: 0, index };
      change.index = index;
      change.ended += endedBy(event);
      if (subject.task === 'all') change.tasks = 'all';
      else if (subject.task !== undefined && change.tasks !== 'all') change.tasks.add(subject.task);
      changes.set(subject.job, change);
    }
    for (const [job, { tasks, ended, index }] of changes) {
      const change = { tasks: tasks === 'all' ? tasks : [...tasks], ended, index };
      for (const listener of this.#watchers.get(job) ?? []) listener(change);
    }
  }
}

/** Tasks that end with the event. */
function endedBy(event: Event): number {
  if (event.type === 'job.cancelled') return Number.POSITIVE_INFINITY;
  if (event.type === 'task.ended') return 1;
  return event.type === 'attempt.ended' && event.then.kind !== 'requeued' ? 1 : 0;
}

/** The job that an event changes, and its task where it changes one. */
export function subjectOf(
  event: Event,
): { readonly job: JobId; readonly task: TaskId | 'all' | undefined } | undefined {
  switch (event.type) {
    case 'job.submitted':
    case 'job.cancelled':
      return { job: event.job, task: 'all' };
    case 'job.settled':
      return { job: event.job, task: undefined };
    case 'task.ended':
    case 'attempt.assigned':
    case 'attempt.progressed':
    case 'attempt.ended':
    case 'attempt.released':
    case 'upload.held':
    case 'upload.resumed':
      return { job: jobIdOf(event.task), task: event.task };
    case 'log.opened':
    case 'ruleset.changed':
    case 'account.opened':
    case 'account.credited':
    case 'subject.isolated':
    case 'subject.reinstated':
    case 'image.poisoned':
    case 'node.joined':
    case 'node.offered':
    case 'node.status_changed':
    case 'node.forgotten':
      return undefined;
  }
}
