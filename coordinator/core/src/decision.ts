import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { AccountId, JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import { mustGet } from './assert.ts';
import type { AfterAttempt, AttemptEnded, Event } from './contract/event.ts';
import type { ReadOnly } from './read-only.ts';
import type { Task } from './slices/attempt/record.ts';
import { isActive } from './slices/attempt/task-states.ts';
import type { Job } from './slices/job/record.ts';
import type { NodeRecord } from './slices/node/record.ts';
import type { State } from './state.ts';

interface Tally {
  live: number;
  occupied: number;
  succeeded: number;
  failed: number;
  cancelled: number;
  expired: number;
}

type FailedAttempt = Exclude<AfterAttempt, { readonly kind: 'succeeded' }>;

export interface Ending {
  readonly reason: TaskReason;
  readonly released: boolean;
  readonly then: AfterAttempt;
  /** Known only where there is a receipt. */
  readonly exitCode?: number | undefined;
  readonly imageRunsOn?: readonly string[] | undefined;
  readonly preemptedFor?: AccountId | undefined;
  readonly receipt?: Sha256Hex | undefined;
}

/** Keys stand in order, for canonical JSON is then the engine's own; no spreads, for this is the hottest literal. */
export function endedEvent(task: ReadOnly<Task>, ending: Ending, at: number): AttemptEnded {
  const { attempt, id } = task;
  const { exitCode, imageRunsOn, preemptedFor, reason, receipt, released, then } = ending;
  const type = 'attempt.ended';
  if (imageRunsOn !== undefined && receipt !== undefined)
    return { at, attempt, imageRunsOn, reason, receipt, released, task: id, then, type };
  if (preemptedFor !== undefined)
    return { at, attempt, preemptedFor, reason, released, task: id, then, type };
  if (receipt === undefined) return { at, attempt, reason, released, task: id, then, type };
  if (exitCode === undefined) return { at, attempt, reason, receipt, released, task: id, then, type };
  return { at, attempt, exitCode, reason, receipt, released, task: id, then, type };
}

/**
 * The events of one decision and what they will do to the counts of jobs and nodes, so that what follows from
 * several of them together (a job settled, a node drained) is decided with them, and the state stays untouched.
 */
export class Decision {
  readonly events: Event[] = [];
  readonly at: number;
  readonly #state: ReadOnly<State>;
  #jobs: Map<JobId, Tally> | undefined;
  #vacated: Map<NodeId, number> | undefined;
  /** Tasks whose attempt this decision ends. */
  #ended: Set<TaskId> | undefined;

  constructor(state: ReadOnly<State>, at: number) {
    this.#state = state;
    this.at = at;
  }

  hasEnded(task: TaskId): boolean {
    return this.#ended?.has(task) ?? false;
  }

  endAttempt(job: ReadOnly<Job>, task: ReadOnly<Task>, ending: Ending): void {
    this.#endAttempt(job, task, ending);
    const { preemptedFor, then } = ending;
    // GANG-1
    // guard: stop the gang of what failed
    if (job.terms.gang === true && then.kind !== 'succeeded') this.#stopGang(job, then, preemptedFor);
  }

  /** What runs of a gang cannot go on without the one that failed, and starts again with it. */
  #stopGang(job: ReadOnly<Job>, then: FailedAttempt, preemptedFor: AccountId | undefined): void {
    const others: FailedAttempt = then.kind === 'failed' ? then : { ...then, budget: 'free' };
    for (const task of job.tasks) {
      if (!isActive(task.state) || this.hasEnded(task.id)) continue;
      this.#endAttempt(job, task, { reason: 'gang_stopped', preemptedFor, released: false, then: others });
    }
  }

  #endAttempt(job: ReadOnly<Job>, task: ReadOnly<Task>, ending: Ending): void {
    const { released, then } = ending;
    this.events.push(endedEvent(task, ending, this.at));
    this.#ended ??= new Set();
    this.#ended.add(task.id);
    const tally = this.#tally(job);
    if (then.kind !== 'requeued') {
      tally.live -= 1;
      if (then.kind === 'succeeded') tally.succeeded += 1;
      else tally.failed += 1;
    }
    if (released && task.node !== undefined) this.#vacate(tally, task.node);
  }

  releaseAttempt(job: ReadOnly<Job>, task: TaskId, attempt: number, node: ReadOnly<NodeRecord>): void {
    this.events.push({ at: this.at, attempt, node: node.id, task, type: 'attempt.released' });
    this.#vacate(this.#tally(job), node.id);
  }

  expireTask(job: ReadOnly<Job>, task: ReadOnly<Task>): void {
    this.#endTask(job, task, 'expired', 'queue_timeout');
  }

  /** Its image was stopped. What its node holds of it is released as it lets go. */
  stopTask(job: ReadOnly<Job>, task: ReadOnly<Task>): void {
    this.#endTask(job, task, 'cancelled', 'image_poisoned');
  }

  #endTask(
    job: ReadOnly<Job>,
    task: ReadOnly<Task>,
    outcome: 'cancelled' | 'expired',
    reason: TaskReason,
  ): void {
    this.events.push({ at: this.at, outcome, reason, task: task.id, type: 'task.ended' });
    const tally = this.#tally(job);
    tally.live -= 1;
    tally[outcome] += 1;
  }

  cancelJob(job: ReadOnly<Job>): void {
    this.events.push({ at: this.at, job: job.id, type: 'job.cancelled' });
    const tally = this.#tally(job);
    tally.cancelled += tally.live;
    tally.live = 0;
  }

  /** What the node still holds once the events so far have happened. */
  occupiedOf(node: ReadOnly<NodeRecord>): number {
    return node.occupied.size - (this.#vacated?.get(node.id) ?? 0);
  }

  /** Adds what the events so far entail, and gives them all. */
  close(): readonly Event[] {
    if (this.#vacated !== undefined) {
      for (const id of this.#vacated.keys()) {
        const node = mustGet(this.#state.nodes, id, 'node');
        if (node.status === 'draining' && this.occupiedOf(node) === 0) {
          this.events.push({
            at: this.at,
            cause: 'drained',
            node: id,
            to: 'gone',
            type: 'node.status_changed',
          });
        }
      }
    }
    if (this.#jobs !== undefined) {
      for (const [id, tally] of this.#jobs) {
        // guard: settle when all nodes have let go
        if (tally.live > 0 || tally.occupied > 0) continue;
        const { cancelled, expired, failed, succeeded } = tally;
        this.events.push({
          at: this.at,
          cancelled,
          expired,
          failed,
          job: id,
          succeeded,
          type: 'job.settled',
        });
      }
    }
    return this.events;
  }

  #tally(job: ReadOnly<Job>): Tally {
    this.#jobs ??= new Map();
    let tally = this.#jobs.get(job.id);
    if (tally === undefined) {
      tally = {
        live: job.live,
        occupied: job.occupied,
        succeeded: job.succeeded,
        failed: job.failed,
        cancelled: job.cancelledTasks,
        expired: job.expired,
      };
      this.#jobs.set(job.id, tally);
    }
    return tally;
  }

  #vacate(tally: Tally, node: NodeId): void {
    tally.occupied -= 1;
    this.#vacated ??= new Map();
    this.#vacated.set(node, (this.#vacated.get(node) ?? 0) + 1);
  }
}
