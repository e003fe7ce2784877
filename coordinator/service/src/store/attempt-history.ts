import type { ReadOnly } from '@capacloud/core/read-only';
import type { Task } from '@capacloud/core/slices/attempt/record';
import type { Job } from '@capacloud/core/slices/job/record';
import type { TaskId } from '@capacloud/protocol/ids';
import { nothing, type RowBuffers } from './row-buffer.ts';

/** How an attempt ended, and by which event. */
export interface AttemptEnd {
  readonly index: number;
  readonly at: number;
  readonly attempt: number;
  readonly exitCode?: number | undefined;
  readonly meteredMs?: number;
  readonly chargedNano?: bigint;
  /** What the provider was paid of the charge. */
  readonly payNano?: bigint;
}

/** The numbers that tables name things by. */
export interface AttemptNumbers {
  readonly job: number;
  readonly node: number;
  readonly provider: number;
  readonly reason: number;
  readonly deviceClass: number;
  /** Thousandths of what the class counts. */
  readonly units: number;
}

/**
 * Rows of ended attempts, in the order in which they ended: written at the end of their table, wherever their jobs
 * stand. A task knows its latest, and each the one before.
 */
export class AttemptHistory {
  readonly #rows: RowBuffers['attempts'];
  /** Of tasks in the live state: the event that ended their latest attempt. */
  readonly #latest: Map<TaskId, number>;
  /** Pays of the present group. */
  readonly #pays = new Map<TaskId, number>();

  constructor(latest: readonly (readonly [TaskId, number])[], { attempts }: RowBuffers) {
    this.#latest = new Map(latest);
    this.#rows = attempts;
  }

  add(
    task: ReadOnly<Task>,
    end: AttemptEnd,
    { job, node, provider, reason, deviceClass, units }: AttemptNumbers,
  ): void {
    this.#rows.add(
      [
        end.index,
        task.index,
        job,
        end.attempt,
        node,
        provider,
        reason,
        end.exitCode ?? nothing,
        end.meteredMs ?? nothing,
        task.assignedAt,
        task.runningSince === 0 ? nothing : task.runningSince,
        end.at,
        this.#latest.get(task.id) ?? nothing,
        deviceClass,
        units,
      ],
      [task.rateNano, end.chargedNano ?? 0n, end.payNano ?? 0n],
    );
    this.#latest.set(task.id, end.index);
  }

  /** The column adds up and may not exceed one: with a second pay the group fails. */
  pay(task: TaskId): void {
    this.#pays.set(task, this.paysOf(task) + 1);
  }

  paysOf(task: TaskId): number {
    return this.#pays.get(task) ?? 0;
  }

  /** NaN where no attempt has ended. */
  latestOf(task: TaskId): number {
    return this.#latest.get(task) ?? nothing;
  }

  /** The group is complete. */
  closeGroup(): void {
    this.#pays.clear();
  }

  forget({ tasks }: ReadOnly<Job>): void {
    for (const { id } of tasks) this.#latest.delete(id);
  }
}
