import { resourcesBy } from '@capacloud/protocol/capacity/resources';
import type { ReadOnly } from '../read-only.ts';
import { isLate } from '../slices/job/events.ts';
import { isReady } from '../slices/job/queue.ts';
import type { Job } from '../slices/job/record.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import type { State } from '../state.ts';
import type { Assignment, Look } from './order/look.ts';
import type { TaskOrder } from './order/preference-order.ts';
import type { ScheduleNotes } from './schedule-notes.ts';
import { isKeptBack } from './starvation.ts';
import { type Cursor, Turns } from './turns.ts';

const nowhere: readonly ReadOnly<NodeRecord>[] = [];
export const placementLimits = { assignments: 1024, jobs: 256 } as const;

type StorageState = Pick<ReadOnly<State>, 'accounts' | 'fullHolds' | 'held'>;

/**
 * Each task to the best node of its shape's order, in the turn of its consumer and of its job; within a job by index. A
 * shape that finds no room is passed over, so no job blocks those behind it. Changes neither state nor queue.
 */
export function placeTasks(
  at: number,
  look: Look,
  notes: ScheduleNotes,
  state: StorageState & Pick<ReadOnly<State>, 'waiting'>,
): readonly Assignment[] {
  const turns = new Turns(state.waiting.values(), notes);
  const placing = new Placing(at, look, notes, state);
  let isCutShort = false;
  for (const [job, rooms] of notes.preemptions.holders()) placing.serveHolder(job, rooms);
  const { current: reservation } = notes.reservations;
  if (reservation !== undefined) placing.serveHolder(reservation.job, 1);
  for (let cursor = turns.top; cursor !== undefined && !isCutShort; cursor = turns.top) {
    switch (placing.serve(cursor)) {
      case 'placed':
        noteServed(notes, cursor, at);
        turns.give(cursor.job, placing.assignments.slice(-1));
        break;
      case 'gang placed': {
        const { job } = cursor;
        noteServed(notes, cursor, at);
        turns.advance();
        turns.give(job, placing.assignments.slice(-job.live));
        break;
      }
      case 'passed':
        break;
      case 'seen':
        turns.advance();
        break;
      case 'no room':
        turns.close();
        break;
      case 'cut short':
        turns.keepPlace();
        isCutShort = true;
        break;
    }
  }
  notes.endLook(isCutShort);
  return placing.assignments;
}

/** Of a lane that ends with its only task there is nothing to remember. */
function noteServed({ waiting }: ScheduleNotes, { job, lane }: Cursor, at: number): void {
  if (lane.jobs.length > 1 || job.ready > 1) waiting.openOf(lane).servedAt = at;
}

/** What became of a turn: what was placed, or passed over; or its job has no more, its shape has no room, the look ends. */
type Outcome = 'placed' | 'gang placed' | 'passed' | 'seen' | 'no room' | 'cut short';

class Placing {
  readonly assignments: Assignment[] = [];
  readonly #at: number;
  readonly #look: Look;
  readonly #notes: ScheduleNotes;
  readonly #state: StorageState;
  #jobs = 0;
  readonly #holders = new Set<ReadOnly<Job>>();

  constructor(at: number, look: Look, notes: ScheduleNotes, state: StorageState) {
    this.#at = at;
    this.#look = look;
    this.#notes = notes;
    this.#state = state;
  }

  /** Who nodes are kept for goes first, with so many tasks or its gang; what it is given here is all that it gets in this look. */
  serveHolder(job: ReadOnly<Job>, tasks: number): void {
    this.#beginJob(job);
    if (isKeptBack(this.#state, job) || job.ready === 0 || this.#holders.has(job)) return;
    const before = this.assignments.length;
    const order = this.#notes.orderOf(job.shape, job.terms, this.#look);
    if (job.terms.gang === true) this.#serveGang(job, order);
    else this.#serveTasks(job, order, tasks);
    if (this.assignments.length > before) this.#holders.add(job);
    // There may be time enough for the others.
    this.#look.isCutShort = false;
  }

  /** The node that was looked at last has nothing to do with it. */
  #beginJob(job: ReadOnly<Job>): void {
    const { busy } = this.#notes;
    busy.job = job.id;
    busy.node = undefined;
  }

  #serveTasks(job: ReadOnly<Job>, order: TaskOrder, count: number): void {
    const near = this.#nodesNear(job);
    let left = Math.min(count, placementLimits.assignments - this.assignments.length);
    for (let index = job.firstReady; index < job.tasks.length && left > 0; index++) {
      const task = job.tasks[index];
      if (task === undefined || !isReady(task) || isLate(job, task, this.#at)) continue;
      const assignment = order.take(task, job, near);
      if (assignment === undefined) return;
      this.assignments.push(assignment);
      left -= 1;
    }
  }

  serve(cursor: Cursor): Outcome {
    const { job, lane } = cursor;
    this.#beginJob(job);
    if (cursor.isNew) {
      if (this.#jobs === placementLimits.jobs) return 'cut short';
      this.#jobs += 1;
      cursor.isNew = false;
    }
    // guard: give a task away once in a look
    if (isKeptBack(this.#state, job) || this.#holders.has(job)) return 'seen';
    const order = (cursor.order ??= this.#notes.orderOf(lane.shape, job.terms, this.#look));
    if (order.isExhausted()) return 'no room';
    if (this.assignments.length === placementLimits.assignments) return 'cut short';
    if (job.terms.gang === true) return this.#serveGang(job, order);
    const task = cursor.nextTask();
    if (task === undefined) return 'seen';
    // guard: place nothing whose time is over
    if (isLate(job, task, this.#at)) return 'passed';
    const assignment = order.take(task, job, this.#nodesNear(job));
    if (assignment === undefined) return this.#look.isCutShort ? 'cut short' : 'passed';
    this.assignments.push(assignment);
    return 'placed';
  }

  /** All that is left of the gang, or nothing: what was found for some is given back when there is nothing for another. */
  #serveGang(job: ReadOnly<Job>, order: TaskOrder): Outcome {
    const { assignments } = this;
    const before = assignments.length;
    if (before + job.live > placementLimits.assignments) return 'cut short';
    const near = this.#nodesNear(job);
    for (const task of job.tasks) {
      if (!isReady(task)) continue;
      const assignment = isLate(job, task, this.#at) ? undefined : order.take(task, job, near);
      if (assignment !== undefined) {
        assignments.push(assignment);
        continue;
      }
      // guard: give back what a gang cannot use
      for (const { alternative, devices, node } of assignments.splice(before))
        this.#look.takeBack(job, node, resourcesBy(job.terms.resources, alternative ?? 0), devices);
      return this.#look.isCutShort ? 'cut short' : 'seen';
    }
    return 'gang placed';
  }

  #nodesNear({ terms }: ReadOnly<Job>): readonly ReadOnly<NodeRecord>[] {
    return terms.image === undefined ? nowhere : this.#notes.images.of(terms.image);
  }
}
