import type { AttemptEnded, Event } from '@capacloud/core/contract/event';
import type { State } from '@capacloud/core/state';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import type { TaskReason } from '@capacloud/protocol/catalogue/reasons';
import type { JobId, TaskId } from '@capacloud/protocol/ids';
import { ClassTally } from './class-tally.ts';
import { Quantiles } from './quantiles.ts';
import { cpuClass, modelOf } from './usage.ts';

/** What was charged for a class of devices, and for how much of them. */
interface Paid {
  chargedNano: bigint;
  /** Thousandths times milliseconds. */
  milliMs: number;
}

interface MeasureParts {
  readonly classes: number;
  /** Milliseconds; what came before belongs to the warm-up. */
  readonly fromAt: number;
  readonly classOf: (job: JobId) => number | undefined;
}

/** Counts what the events tell of tasks: waits, ends, reasons, prices. */
export class Measures {
  readonly #parts: MeasureParts;
  readonly tallies: readonly ClassTally[];
  readonly waits = new Quantiles();
  readonly attempts: Partial<Record<TaskReason, number>> = {};
  /** Since it was last taken. */
  #paid = new Map<string, Paid>();
  /** Warm-up included. */
  tasksEnded = 0;
  succeeded = 0;

  constructor(parts: MeasureParts) {
    this.#parts = parts;
    this.tallies = Array.from({ length: parts.classes }, () => new ClassTally());
  }

  refused(classIndex: number, at: number, code: string, tasks: number): void {
    if (at >= this.#parts.fromAt) this.tallies[classIndex]?.refuse(code, tasks);
  }

  takePaid(): ReadonlyMap<string, Paid> {
    const paid = this.#paid;
    this.#paid = new Map();
    return paid;
  }

  /** Is shown each event with the state as it was before. */
  before(state: State, event: Event): void {
    switch (event.type) {
      case 'job.submitted':
        this.#measured(event.at, event.job, (tally) => {
          tally.submitted += event.tasks;
        });
        return;
      case 'attempt.assigned':
        if (event.attempt === 1) this.#firstAssigned(state, event.task, event.at);
        return;
      case 'attempt.ended':
        this.#attemptEnded(state, event);
        return;
      case 'task.ended':
        this.#taskEnded(state, event.task, event.reason, event.at);
        return;
      case 'job.cancelled':
        this.tasksEnded += state.jobs.get(event.job)?.live ?? 0;
        return;
      case 'log.opened':
      case 'ruleset.changed':
      case 'account.opened':
      case 'account.credited':
      case 'image.poisoned':
      case 'node.joined':
      case 'node.offered':
      case 'node.status_changed':
      case 'node.forgotten':
      case 'job.settled':
      case 'attempt.progressed':
      case 'attempt.released':
      case 'upload.held':
      case 'subject.isolated':
      case 'subject.reinstated':
      case 'upload.resumed':
        return;
    }
  }

  #measured(at: number, job: JobId, count: (tally: ClassTally) => void): void {
    const tally = this.tallies[this.#parts.classOf(job) ?? -1];
    if (at >= this.#parts.fromAt && tally !== undefined) count(tally);
  }

  #firstAssigned(state: State, id: TaskId, at: number): void {
    const job = state.jobs.get(state.tasks.get(id)?.job ?? ('' as JobId));
    if (job === undefined) return;
    this.#measured(job.submittedAt, job.id, ({ waits }) => {
      waits.add(at - job.submittedAt);
      this.waits.add(at - job.submittedAt);
    });
  }

  #taskEnded(state: State, id: TaskId, reason: TaskReason, at: number): void {
    this.tasksEnded += 1;
    const task = state.tasks.get(id);
    if (task === undefined) return;
    this.#measured(at, task.job, (tally) => {
      tally.expired += 1;
      tally.blame(reason);
    });
  }

  #attemptEnded(state: State, event: AttemptEnded): void {
    const { at, reason, then } = event;
    const task = state.tasks.get(event.task);
    const job = task === undefined ? undefined : state.jobs.get(task.job);
    if (task?.node === undefined || job === undefined) return;
    if (at >= this.#parts.fromAt) this.attempts[reason] = (this.attempts[reason] ?? 0) + 1;
    switch (then.kind) {
      case 'requeued':
        return;
      case 'failed':
        this.tasksEnded += 1;
        this.#measured(at, job.id, (tally) => {
          tally.failed += 1;
          tally.blame(reason);
        });
        return;
      case 'succeeded': {
        this.tasksEnded += 1;
        const chargedNano = BigInt(then.chargeNano);
        this.#measured(at, job.id, (tally) => {
          this.succeeded += 1;
          tally.succeeded += 1;
          tally.chargedNano += chargedNano;
          if (job.submittedAt >= this.#parts.fromAt) tally.turnarounds.add(at - job.submittedAt);
        });
        const { cpuMilli, devices: wanted } = job.terms.resources;
        const [first] = task.devices;
        const node = state.nodes.get(task.node);
        const pool = first === undefined || node === undefined ? cpuClass : modelOf(node, first);
        const milli = first === undefined ? cpuMilli : task.devices.length * deviceMilli(wanted);
        this.#pay(pool, chargedNano, milli * then.meteredMs);
        return;
      }
    }
  }

  #pay(pool: string, chargedNano: bigint, milliMs: number): void {
    let paid = this.#paid.get(pool);
    if (paid === undefined) {
      paid = { chargedNano: 0n, milliMs: 0 };
      this.#paid.set(pool, paid);
    }
    paid.chargedNano += chargedNano;
    paid.milliMs += milliMs;
  }
}
