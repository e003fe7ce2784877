import { mustGet } from '../../assert.ts';
import type { Layout, Section } from '../../codec/section.ts';
import type { Event } from '../../contract/event.ts';
import type { State } from '../../state.ts';
import { isUntouched, taskCodec } from '../attempt/codec.ts';
import type { Task, TaskTruth } from '../attempt/record.ts';
import { jobCodec, tasksKey } from './codec.ts';
import { tellsOfImage } from './misfits.ts';
import type { Job, JobTruth } from './record.ts';

/** The jobs as they were, each with those of its tasks that were tried or have ended. */
export class JobSection implements Section {
  readonly key = 'jobs';
  readonly #state: State;
  readonly #jobs: readonly Job[];
  readonly #jobSeq: number;
  /** Without the tasks. */
  readonly #oldJobs = new Map<Job, JobTruth>();
  /** An untouched task has no text. */
  readonly #oldTasks = new Map<Task, TaskTruth | undefined>();
  /** Everything of jobs before this one is written, and its tasks before the index. */
  #doneSeq = 0;
  #doneIndex = 0;

  constructor(state: State) {
    this.#state = state;
    this.#jobs = [...state.jobs.values()];
    this.#jobSeq = state.jobSeq;
  }

  keep(event: Event): void {
    switch (event.type) {
      case 'attempt.assigned':
      case 'attempt.progressed':
      case 'attempt.released':
      case 'upload.held':
      case 'upload.resumed':
      case 'task.ended':
        return this.#keepTask(mustGet(this.#state.tasks, event.task, 'task'));
      case 'attempt.ended': {
        const task = mustGet(this.#state.tasks, event.task, 'task');
        this.#keepTask(task);
        const job = mustGet(this.#state.jobs, task.job, 'job');
        // What is known of its image may change.
        if (tellsOfImage(event.reason) || job.terms.misfits !== undefined) this.#keepJob(job);
        return;
      }
      case 'job.cancelled': {
        const job = mustGet(this.#state.jobs, event.job, 'job');
        this.#keepJob(job);
        for (const task of job.tasks) this.#keepTask(task);
        return;
      }
      // They add jobs after these, take away a job that changes no more, or are about something else.
      case 'log.opened':
      case 'ruleset.changed':
      case 'account.opened':
      case 'account.credited':
      case 'node.joined':
      case 'node.offered':
      case 'node.status_changed':
      case 'node.forgotten':
      case 'job.submitted':
      case 'job.settled':
      case 'image.poisoned':
      case 'subject.isolated':
      case 'subject.reinstated':
        return;
    }
  }

  #keepJob(job: Job): void {
    if (job.seq > this.#jobSeq || job.seq < this.#doneSeq || this.#oldJobs.has(job)) return;
    this.#oldJobs.set(job, jobCodec.copy(job));
  }

  #keepTask(task: Task): void {
    if (this.#oldTasks.has(task)) return;
    const { seq } = mustGet(this.#state.jobs, task.job, 'job');
    if (seq > this.#jobSeq || seq < this.#doneSeq || (seq === this.#doneSeq && task.index < this.#doneIndex))
      return;
    // STATE-2
    this.#oldTasks.set(task, isUntouched(task) ? undefined : taskCodec.copy(task));
  }

  *pieces(layout: Layout): Generator<string, void, undefined> {
    let before = '';
    for (const job of this.#jobs) {
      yield* this.#job(job, before, layout.itemsPerPiece);
      before = layout.comma;
    }
  }

  *#job(job: Job, before: string, itemsPerPiece: number): Generator<string, void, undefined> {
    this.#doneSeq = job.seq;
    this.#doneIndex = 0;
    // Copied before its tasks are written: while they are, it may change.
    const was = this.#oldJobs.get(job) ?? jobCodec.copy(job);
    this.#oldJobs.delete(job);
    let text = `${before}{${jobCodec.between(was, undefined, tasksKey)},"${tasksKey}":[`;
    let written = 0;
    for (const task of job.tasks) {
      const old = this.#takeTask(task);
      this.#doneIndex = task.index + 1;
      if (old !== undefined) {
        text += `${written === 0 ? '' : ','}${taskCodec.text(old)}`;
        written += 1;
      }
      if (this.#doneIndex % itemsPerPiece !== 0) continue;
      yield text;
      text = '';
    }
    yield `${text}],${jobCodec.between(was, tasksKey, undefined)}}`;
  }

  #takeTask(task: Task): TaskTruth | undefined {
    if (!this.#oldTasks.has(task)) return isUntouched(task) ? undefined : task;
    const old = this.#oldTasks.get(task);
    this.#oldTasks.delete(task);
    return old;
  }
}
