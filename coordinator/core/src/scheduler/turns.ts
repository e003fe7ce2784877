import { copyOf } from '@capacloud/protocol/capacity/capacity';
import type { ReadOnly } from '../read-only.ts';
import type { Amounts } from '../slices/account/record.ts';
import type { Task } from '../slices/attempt/record.ts';
import { hasTurnBefore, isReady, positionOf } from '../slices/job/queue.ts';
import type { ConsumerQueue, Job, Lane } from '../slices/job/record.ts';
import { addUse } from '../slices/node/capacity.ts';
import { Heap } from './heap.ts';
import type { WaitingNotes } from './lane-notes.ts';
import type { OfferedTotal } from './offered-total.ts';
import type { Assignment } from './order/look.ts';
import type { TaskOrder } from './order/preference-order.ts';

/** How far a look has come in a lane: the job whose turn it is, and its next ready task. */
export class Cursor {
  readonly lane: ReadOnly<Lane>;
  job: ReadOnly<Job>;
  order: TaskOrder | undefined;
  /** The job has not been looked at yet. */
  isNew = true;
  #position: number;
  #index: number;
  #left: number;

  constructor(lane: ReadOnly<Lane>, position: number, job: ReadOnly<Job>) {
    this.lane = lane;
    this.#position = position;
    this.job = job;
    this.#index = job.firstReady;
    this.#left = job.ready;
  }

  /** The next task of the job that waits; undefined once all have been seen. */
  nextTask(): ReadOnly<Task> | undefined {
    while (this.#left > 0) {
      const task = this.job.tasks[this.#index];
      this.#index += 1;
      if (task === undefined) return undefined;
      if (!isReady(task)) continue;
      this.#left -= 1;
      return task;
    }
    return undefined;
  }

  /** Goes on to the next job of the lane; false where there is none. */
  advance(): boolean {
    this.#position += 1;
    const job = this.lane.jobs[this.#position];
    if (job === undefined) return false;
    this.job = job;
    this.isNew = true;
    this.#index = job.firstReady;
    this.#left = job.ready;
    return true;
  }
}

/** What the scheduler knows of those who wait. */
export interface TurnNotes {
  readonly offered: OfferedTotal;
  readonly waiting: WaitingNotes;
  /** The present pass over all that waits. */
  readonly pass: number;
}

/** One consumer in a look: its lanes are opened as their turn comes. */
class Line {
  readonly queue: ReadOnly<ConsumerQueue>;
  /** What it uses, with what the look has given it. */
  readonly use: Amounts;
  share: number;
  /** Of its first job; of consumers that use as much, who came first goes first. */
  readonly since: number;
  readonly #pass: number;
  readonly #waiting: WaitingNotes;
  readonly #open = new Heap<Cursor>((a, b) => hasTurnBefore(a.job, b.job));
  #opened = 0;

  constructor(queue: ReadOnly<ConsumerQueue>, { offered, pass, waiting }: TurnNotes) {
    this.queue = queue;
    this.use = { ...queue.account.use, capacity: copyOf(queue.account.use.capacity) };
    this.share = offered.shareOf(queue.account.use);
    this.since = queue.lanes[0]?.jobs[0]?.seq ?? 0;
    this.#pass = pass;
    this.#waiting = waiting;
  }

  /** The cursor at the job whose turn it is. */
  get top(): Cursor | undefined {
    const { lanes } = this.queue;
    for (;;) {
      const lane = lanes[this.#opened];
      const first = lane?.jobs[0];
      const top = this.#open.top;
      if (lane === undefined || first === undefined) return top;
      if (top !== undefined && hasTurnBefore(top.job, first)) return top;
      this.#opened += 1;
      if (this.#waiting.of(lane).seenIn !== this.#pass) this.#openLane(lane);
    }
  }

  /** The cursor on top has gone on to another job. */
  sink(): void {
    this.#open.sink();
  }

  /** The lane on top has been seen to its end. */
  close(): void {
    const { top } = this.#open;
    if (top !== undefined) this.#waiting.openOf(top.lane).seenIn = this.#pass;
    this.#open.removeTop();
  }

  /** The look ends here; the next one goes on where it was. */
  keepPlace(): void {
    for (let top = this.#open.top; top !== undefined; top = this.#open.top) {
      this.#waiting.openOf(top.lane).goesOn = { pass: this.#pass, job: top.job };
      this.#open.removeTop();
    }
  }

  #openLane(lane: ReadOnly<Lane>): void {
    const { goesOn } = this.#waiting.of(lane);
    if (goesOn !== undefined) this.#waiting.openOf(lane).goesOn = undefined;
    const position = goesOn?.pass === this.#pass ? positionOf(lane.jobs, goesOn.job) : 0;
    const job = lane.jobs[position];
    if (job !== undefined) this.#open.push(new Cursor(lane, position, job));
    else this.#waiting.openOf(lane).seenIn = this.#pass;
  }
}

/**
 * Whose turn it is: the consumer that uses the least, by the resource of which it uses most; and of its jobs the one that
 * has waited longest, a point of priority counting as some waiting.
 */
export class Turns {
  readonly #lines: Heap<Line>;
  readonly #offered: OfferedTotal;

  /** Lanes seen in this pass are left out. */
  constructor(queues: Iterable<ReadOnly<ConsumerQueue>>, notes: TurnNotes) {
    this.#offered = notes.offered;
    this.#lines = new Heap<Line>(comesBefore);
    for (const queue of queues) this.#lines.push(new Line(queue, notes));
  }

  get top(): Cursor | undefined {
    for (let line = this.#lines.top; line !== undefined; line = this.#lines.top) {
      const cursor = line.top;
      if (cursor !== undefined) return cursor;
      this.#lines.removeTop();
    }
    return undefined;
  }

  /** Tasks of one job were placed, whose consumer is on top: it may be another's turn then. */
  give(job: ReadOnly<Job>, assignments: readonly Assignment[]): void {
    const line = this.#lines.top;
    if (line === undefined) return;
    for (const { alternative } of assignments) addUse(line.use, job, alternative ?? 0, 1);
    line.share = this.#offered.shareOf(line.use);
    this.#lines.sink();
  }

  /** The job on top has been seen to its end. */
  advance(): void {
    const line = this.#lines.top;
    if (line?.top?.advance() === true) line.sink();
    else line?.close();
  }

  /** Nothing more of the lane on top can be placed. */
  close(): void {
    this.#lines.top?.close();
  }

  keepPlace(): void {
    for (let line = this.#lines.top; line !== undefined; line = this.#lines.top) {
      line.keepPlace();
      this.#lines.removeTop();
    }
  }
}

function comesBefore(a: Line, b: Line): boolean {
  if (a.share !== b.share) return a.share < b.share;
  return a.since < b.since || (a.since === b.since && a.queue.account.id < b.queue.account.id);
}
