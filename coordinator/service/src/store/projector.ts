import type { AttemptEnded, Event } from '@capacloud/core/contract/event';
import type { ReadOnly } from '@capacloud/core/read-only';
import { type Transfer, transfersOf } from '@capacloud/core/slices/account/transfers';
import type { Task } from '@capacloud/core/slices/attempt/record';
import type { Job } from '@capacloud/core/slices/job/record';
import type { State } from '@capacloud/core/state';
import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { JobId, TaskId } from '@capacloud/protocol/ids';
import { endedTaskStates } from '@capacloud/protocol/routes/states';
import type { RowBatch } from '../ports/log.ts';
import type { Projection } from '../ports/projection.ts';
import type { Aside } from '../ports/sequencer.ts';
import { AccountBook } from './account-book.ts';
import { addAside } from './aside-rows.ts';
import { type AttemptEnd, AttemptHistory } from './attempt-history.ts';
import { type CodeTable, taskStateCodes } from './codes.ts';
import { addJobChange, addNewJob, endedStateOf, type LiveJobEntry, newJobEntry } from './live-jobs.ts';
import { MarketHistory } from './market-history.ts';
import { NodeHistory } from './node-history.ts';
import type { ProjectorSeed } from './projector-seed.ts';
import { createRowBuffers, nothing, type RowBuffers } from './row-buffer.ts';
import { rowShapeNames } from './row-shapes.ts';

/** Up to this many tasks a new job's rows are written one by one, because most are about to change in the same group. */
const spelledOutTasks = 256;

/**
 * Follows the events beside the state. It keeps what changed since the last `take` as references into the
 * state, so that a task which changes five times in one group is written once, as it is at the end.
 */
export class Projector implements Projection {
  readonly #accounts: AccountBook;
  readonly #nodes: NodeHistory;
  readonly #jobs = new Map<JobId, LiveJobEntry>();
  readonly #reasons: CodeTable<string>;
  readonly #buffers: RowBuffers;
  readonly #newJobs = new Set<ReadOnly<Job>>();
  /** Whether the job has settled, and so leaves the live entries at the next `take`. */
  readonly #changedJobs = new Map<ReadOnly<Job>, boolean>();
  readonly #changedTasks = new Map<ReadOnly<Task>, number>();
  readonly #history: AttemptHistory;
  readonly #market: MarketHistory;

  constructor(seed: ProjectorSeed) {
    this.#reasons = seed.reasons;
    for (const [id, entry] of seed.liveJobs) this.#jobs.set(id, { ...entry });
    this.#buffers = createRowBuffers();
    this.#nodes = new NodeHistory(seed.nodes, this.#buffers);
    this.#accounts = new AccountBook(seed.accounts, this.#buffers);
    this.#history = new AttemptHistory(seed.ended, this.#buffers);
    this.#market = new MarketHistory(seed.deviceClasses, this.#buffers);
  }

  before(state: ReadOnly<State>, event: Event, index: number): void {
    switch (event.type) {
      case 'job.submitted':
        this.#jobs.set(event.job, newJobEntry(index));
        break;
      case 'node.joined':
        this.#nodes.join(event, index);
        break;
      case 'node.forgotten':
        this.#nodes.forget(record(state.nodes, event.node));
        break;
      case 'job.cancelled':
        for (const task of record(state.jobs, event.job).tasks) {
          if (endedTaskStates.includes(task.state)) continue;
          this.#abandon(state, task, 'cancelled', { at: event.at, index });
          this.#changedTasks.set(task, event.at);
        }
        break;
      case 'task.ended':
        this.#abandon(state, record(state.tasks, event.task), event.reason, { at: event.at, index });
        break;
      case 'job.settled':
        this.#touchJob(record(state.jobs, event.job), event.at, true);
        break;
      case 'attempt.ended':
        this.#endAttempt(state, event, index);
        break;
      case 'log.opened':
      case 'ruleset.changed':
      case 'account.opened':
      case 'account.credited':
      case 'image.poisoned':
      case 'node.offered':
      case 'node.status_changed':
      case 'attempt.assigned':
      case 'attempt.progressed':
      case 'attempt.released':
      case 'upload.held':
      case 'upload.resumed':
      case 'subject.isolated':
      case 'subject.reinstated':
        break;
    }
    for (const transfer of transfersOf(state, event)) this.#book(state, event, transfer, index);
  }

  /** The task ends under its attempt, if it has one: the attempt ends with it, whatever the node says later. */
  #abandon(
    state: ReadOnly<State>,
    task: ReadOnly<Task>,
    reason: TaskReason,
    end: Omit<AttemptEnd, 'attempt'>,
  ): void {
    if (task.state === 'queued') return;
    this.#jobOf(task.job).active -= 1;
    this.#addAttempt(state, task, reason, { ...end, attempt: task.attempt });
  }

  #endAttempt(state: ReadOnly<State>, event: AttemptEnded, index: number): void {
    const task = record(state.tasks, event.task);
    const entry = this.#jobOf(task.job);
    const { at, attempt, exitCode, reason, then } = event;
    entry.active -= 1;
    if (then.kind !== 'succeeded') {
      this.#addAttempt(state, task, reason, { index, at, attempt, exitCode });
      return;
    }
    const paid = { chargedNano: BigInt(then.chargeNano), payNano: BigInt(then.payNano) };
    entry.chargedNano += paid.chargedNano;
    this.#addAttempt(state, task, reason, {
      index,
      at,
      attempt,
      exitCode,
      meteredMs: then.meteredMs,
      ...paid,
    });
    this.#history.pay(task.id);
  }

  #addAttempt(state: ReadOnly<State>, task: ReadOnly<Task>, reason: TaskReason, end: AttemptEnd): void {
    if (task.node === undefined || task.provider === undefined)
      throw new Error('an attempt ended on no node');
    this.#history.add(task, end, {
      job: this.#jobOf(task.job).num,
      node: this.#nodes.numOf(task.node),
      provider: this.#accounts.numOf(task.provider),
      reason: this.#reasons.codeOf(reason),
      ...this.#market.note(state, task, end),
    });
  }

  #book(state: ReadOnly<State>, event: Event, transfer: Transfer, index: number): void {
    const task = transfer.task === undefined ? nothing : record(state.tasks, transfer.task).index;
    if (transfer.job === undefined) {
      this.#accounts.book(transfer, index, undefined, task);
      return;
    }
    const consumer =
      event.type === 'job.submitted' ? event.consumer : record(state.jobs, transfer.job).consumer;
    this.#accounts.book(transfer, index, { entry: this.#jobOf(transfer.job), consumer }, task);
  }

  after(state: ReadOnly<State>, event: Event): void {
    switch (event.type) {
      case 'log.opened':
      case 'ruleset.changed':
      case 'account.credited':
      case 'image.poisoned':
      case 'attempt.released':
      case 'subject.isolated':
      case 'subject.reinstated':
      case 'job.settled':
      case 'node.forgotten':
        break;
      case 'account.opened':
        this.#accounts.numOf(event.account);
        break;
      case 'node.joined':
      case 'node.offered':
      case 'node.status_changed':
        this.#nodes.touch(record(state.nodes, event.node));
        break;
      case 'job.submitted':
        this.#openJob(record(state.jobs, event.job), event.at);
        break;
      case 'job.cancelled':
        this.#touchJob(record(state.jobs, event.job), event.at);
        break;
      case 'attempt.assigned': {
        const task = this.#touchTask(state, event.task, event.at);
        const entry = this.#jobOf(task.job);
        entry.active += 1;
        entry.state = 'running';
        this.#nodes.use(record(state.nodes, event.node));
        break;
      }
      case 'attempt.progressed':
      case 'upload.held':
      case 'upload.resumed':
        this.#changedTasks.set(record(state.tasks, event.task), event.at);
        break;
      case 'task.ended':
      case 'attempt.ended':
        this.#touchTask(state, event.task, event.at);
        break;
    }
  }

  #openJob(job: ReadOnly<Job>, at: number): void {
    this.#newJobs.add(job);
    this.#touchJob(job, at);
    if (job.tasks.length <= spelledOutTasks) {
      for (const task of job.tasks) this.#changedTasks.set(task, at);
    } else {
      const reason = this.#reasons.codeOf('submitted');
      this.#buffers.jobTasks.add([this.#jobOf(job.id).num, job.tasks.length, reason, at]);
    }
  }

  #touchTask(state: ReadOnly<State>, id: TaskId, at: number): ReadOnly<Task> {
    const task = record(state.tasks, id);
    this.#changedTasks.set(task, at);
    this.#touchJob(record(state.jobs, task.job), at);
    return task;
  }

  #touchJob(job: ReadOnly<Job>, at: number, settled = false): void {
    const entry = this.#jobOf(job.id);
    if (job.live === 0 && entry.endedAt === undefined) {
      entry.endedAt = at;
      entry.state = endedStateOf(job);
    }
    this.#changedJobs.set(job, settled);
  }

  #jobOf(id: JobId): LiveJobEntry {
    return record(this.#jobs, id);
  }

  aside(aside: Aside): void {
    if (aside.kind === 'session') return this.#nodes.noteSession(aside);
    addAside(this.#buffers, aside, (job) => this.#jobOf(job).num);
  }

  take(): readonly RowBatch[] {
    this.#nodes.write();
    this.#writeJobs();
    this.#writeTasks();
    this.#accounts.write();
    this.#market.write();
    for (const [job, settled] of this.#changedJobs) if (settled) this.#forget(job);
    this.#newJobs.clear();
    this.#changedJobs.clear();
    this.#changedTasks.clear();
    this.#history.closeGroup();
    const batches: RowBatch[] = [];
    for (const name of rowShapeNames)
      if (this.#buffers[name].rows > 0) batches.push(this.#buffers[name].take());
    return batches;
  }

  #forget(job: ReadOnly<Job>): void {
    this.#jobs.delete(job.id);
    this.#history.forget(job);
  }

  #writeJobs(): void {
    for (const [job, settled] of this.#changedJobs) {
      const entry = this.#jobOf(job.id);
      if (this.#newJobs.has(job))
        addNewJob(this.#buffers, job, entry, this.#accounts.numOf(job.consumer), settled);
      else addJobChange(this.#buffers, job, entry, settled);
    }
  }

  #writeTasks(): void {
    const { tasks } = this.#buffers;
    for (const [task, at] of this.#changedTasks) {
      const { node, provider } = task;
      const placed = node !== undefined && provider !== undefined;
      tasks.add(
        [
          this.#jobOf(task.job).num,
          task.index,
          taskStateCodes.codeOf(task.state),
          this.#reasons.codeOf(task.reason),
          task.attempt,
          placed ? this.#nodes.numOf(node) : nothing,
          placed ? this.#accounts.numOf(provider) : nothing,
          placed ? task.assignedAt : nothing,
          placed && task.runningSince !== 0 ? task.runningSince : nothing,
          at,
          this.#history.latestOf(task.id),
          this.#history.paysOf(task.id),
        ],
        [placed ? task.rateNano : 0n],
      );
    }
  }
}

function record<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`the projection has no ${String(key)}`);
  return value;
}
