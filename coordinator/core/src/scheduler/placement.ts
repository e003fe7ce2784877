import { queueDeadline } from '../job/job-events.ts';
import { isReady, positionOf } from '../job/queue.ts';
import type { Job, ShapeQueue } from '../state.ts';
import type { Assignment, Look } from './look.ts';
import type { NodeOrder } from './node-order.ts';
import type { ScheduleNotes } from './schedule-notes.ts';

export interface Placement {
  readonly assignments: readonly Assignment[];
  /** Where the next look goes on, when this one was cut short; else 0. */
  readonly resumeFrom: number;
}
export const placementLimits = { assignments: 1024, jobs: 256 } as const;

interface Cursor {
  readonly queue: ShapeQueue;
  position: number;
  job: Job;
  order: NodeOrder | undefined;
}

/**
 * First come, first served by job; within a job by index; each task to the best node of its shape's order. A shape that
 * finds no room is passed over, so no job blocks those behind it. Changes neither state nor queue.
 */
export function placeTasks(
  at: number,
  look: Look,
  notes: ScheduleNotes,
  queue: ReadonlyMap<string, ShapeQueue>,
): Placement {
  const assignments: Assignment[] = [];
  const { cursors, limitSeq } = openCursors(queue, notes.resumeFrom);
  let examined = 0;
  for (let cursor = cursors[0]; cursor !== undefined; cursor = cursors[0]) {
    const { job } = cursor;
    if (examined === placementLimits.jobs || job.seq >= limitSeq) {
      return { assignments, resumeFrom: job.seq };
    }
    examined += 1;
    cursor.order ??= notes.orderOf(cursor.queue.shape, job.terms, look);
    if (!placeJob(job, cursor.order, at, look, assignments)) return { assignments, resumeFrom: job.seq };
    cursors.shift();
    if (!cursor.order.exhausted) advance(cursors, cursor);
  }
  return { assignments, resumeFrom: limitSeq === Number.POSITIVE_INFINITY ? 0 : limitSeq };
}

/** One cursor a shape, by the seq of its next job. Shapes whose next job is at `limitSeq` or later wait. */
function openCursors(
  queue: ReadonlyMap<string, ShapeQueue>,
  resumeFrom: number,
): { cursors: Cursor[]; limitSeq: number } {
  const cursors: Cursor[] = [];
  for (const shapeQueue of queue.values()) {
    const position = resumeFrom === 0 ? 0 : positionOf(shapeQueue.jobs, resumeFrom);
    const job = shapeQueue.jobs[position];
    if (job !== undefined) cursors.push({ queue: shapeQueue, position, job, order: undefined });
  }
  if (cursors.length > 1) cursors.sort((a, b) => a.job.seq - b.job.seq);
  const limitSeq = cursors[placementLimits.jobs]?.job.seq ?? Number.POSITIVE_INFINITY;
  return { cursors: cursors.slice(0, placementLimits.jobs), limitSeq };
}

/** Moves the cursor to the next job of its shape, and back into the order. */
function advance(cursors: Cursor[], cursor: Cursor): void {
  cursor.position += 1;
  const job = cursor.queue.jobs[cursor.position];
  if (job === undefined) return;
  cursor.job = job;
  let i = 0;
  while ((cursors[i]?.job.seq ?? Number.POSITIVE_INFINITY) < job.seq) i += 1;
  cursors.splice(i, 0, cursor);
}

/** False when a bound of the look was reached with tasks left. */
function placeJob(job: Job, order: NodeOrder, at: number, look: Look, assignments: Assignment[]): boolean {
  const late = queueDeadline(job) <= at;
  let left = job.ready;
  for (let index = job.firstReady; left > 0 && !order.exhausted; index++) {
    const task = job.tasks[index];
    if (task === undefined) break;
    if (!isReady(task)) continue;
    left -= 1;
    // Its queue timeout is over: the next tick ends it.
    if (late && task.attempt === 0) continue;
    if (assignments.length === placementLimits.assignments) return false;
    const assignment = order.take(task);
    if (assignment !== undefined) assignments.push(assignment);
    else if (look.isCutShort) return false;
  }
  return true;
}
