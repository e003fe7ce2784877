import type { ReadOnly } from '../../read-only.ts';
import type { Task } from '../../slices/attempt/record.ts';
import type { Job } from '../../slices/job/record.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import type { Assignment, Look } from './look.ts';

/** Gives the tasks of a shape to nodes, in one look. */
export interface TaskOrder {
  /** No node has room for the shape any more; what the look has given back counts. */
  isExhausted(): boolean;
  /** Undefined where there is no room for the task now; `near` are nodes that would start it sooner. */
  take(
    task: ReadOnly<Task>,
    job: ReadOnly<Job>,
    near: readonly ReadOnly<NodeRecord>[],
  ): Assignment | undefined;
}

/**
 * The orders of a shape's alternatives: a task goes by the first for which there is room, and by a later one only when
 * the earlier ones have none. An order is opened when it is first needed.
 */
export class PreferenceOrder implements TaskOrder {
  readonly #look: Look;
  readonly #count: number;
  readonly #open: (alternative: number) => TaskOrder;
  readonly #orders: TaskOrder[] = [];

  constructor(look: Look, count: number, open: (alternative: number) => TaskOrder) {
    this.#look = look;
    this.#count = count;
    this.#open = open;
  }

  isExhausted(): boolean {
    return this.#orders.length === this.#count && this.#orders.every((order) => order.isExhausted());
  }

  take(
    task: ReadOnly<Task>,
    job: ReadOnly<Job>,
    near: readonly ReadOnly<NodeRecord>[],
  ): Assignment | undefined {
    for (let alternative = 0; alternative < this.#count; alternative++) {
      const order = (this.#orders[alternative] ??= this.#open(alternative));
      const assignment = order.take(task, job, near);
      if (assignment !== undefined) return alternative === 0 ? assignment : { ...assignment, alternative };
      // There may be room on nodes that there was no time to look at: the next look goes on here.
      if (this.#look.isCutShort) return undefined;
    }
    return undefined;
  }
}
