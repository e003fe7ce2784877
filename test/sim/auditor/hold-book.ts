import type { JobTerms, UploadHeld } from './entry.ts';
import { holdReasons } from './hold-rules.ts';
import { check } from './observation.ts';
import type { TaskBook } from './task-book.ts';
import type { TaskFacts } from './task-facts.ts';

/** What the coordinator refused may be noted so long after the store had room again: a disk that stalls, a process that froze. */
const lateMs = 30_000;

/** What waits for room in the artifact store: only while there is none, not for ever, and with it what would need room as well. */
export class HoldBook {
  readonly #tasks: TaskBook;
  /** By attempt. */
  readonly #holds = new Map<string, number>();
  #isShort = false;
  #roomySinceMs = Number.NEGATIVE_INFINITY;

  constructor(tasks: TaskBook) {
    this.#tasks = tasks;
  }

  /** What is really the case on the coordinator's disk. */
  store(isShort: boolean, nowMs: number): void {
    if (this.#isShort && !isShort) this.#roomySinceMs = nowMs;
    this.#isShort = isShort;
  }

  hold(event: UploadHeld, task: TaskFacts, nowMs: number, mostHolds = Number.POSITIVE_INFINITY): void {
    const what = `${task.id}/${event.attempt}`;
    check(task.state === 'uploading', 'upload.held', () => `${what} is ${task.state} and waits for room`);
    check(event.cause in holdReasons, 'upload.held', () => `${what} waits for ${event.cause}`);
    check(
      this.#isShort || nowMs - this.#roomySinceMs <= lateMs,
      'upload.held',
      () => `${what} waits for room, and the store has it`,
    );
    if (task.heldAt === 0) {
      task.heldAt = event.at;
      task.heldMs = nowMs;
    }
    const holds = (this.#holds.get(what) ?? 0) + 1;
    this.#holds.set(what, holds);
    check(holds <= mostHolds, 'upload.held', () => `${what} comes to wait for the ${holds}th time`);
    task.heldFor = { cause: event.cause, isFull: event.full === true };
    task.changedMs = nowMs;
    // It runs no more, so there is nothing to stop for others.
    task.isInterruptible = false;
  }

  resume(task: TaskFacts, attempt: number, at: number, nowMs: number): void {
    const what = `${task.id}/${attempt}`;
    check(task.heldFor !== undefined, 'upload.held', () => `${what} has room again, and never lacked it`);
    task.heldFor = undefined;
    task.stageAt = at;
    task.changedMs = nowMs;
  }

  /** Nothing new comes for who has to wait, nor, while the store is full, what brings outputs. */
  isKeptBack({ consumer, outputs }: JobTerms): boolean {
    for (const { heldFor, job, state } of this.#tasks.live.values()) {
      if (heldFor === undefined || state !== 'uploading') continue;
      if (job.terms.consumer === consumer || (heldFor.isFull && outputs === true)) return true;
    }
    return false;
  }

  checkAssigned(task: string): void {
    const { terms } = this.#tasks.get(task).job;
    check(!this.isKeptBack(terms), 'upload.held', () => `${task} is placed, and its outputs have no room`);
  }
}
