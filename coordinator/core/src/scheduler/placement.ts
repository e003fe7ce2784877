import type { NodeId } from '@capacloud/protocol/ids';
import { queueDeadline } from '../job/job-events.ts';
import { isReady, positionOf } from '../job/queue.ts';
import type { AskClass, Job, ShapeQueue } from '../state.ts';
import { type Assignment, Candidates, type Plans } from './candidates.ts';

/** The nodes that a scheduler sees. */
export interface PlacementView {
  readonly at: number;
  readonly classes: Iterable<AskClass>;
  /** Open by the state, but going away in this very decision. */
  readonly excluded: ReadonlySet<NodeId>;
  /** Seq of the job to begin with; 0 for the head of the queue. */
  readonly resumeFrom: number;
}
export interface Placement {
  readonly assignments: readonly Assignment[];
  /** Where the next look goes on, when this one was cut short; else 0. */
  readonly resumeFrom: number;
}
/** Reads state and queue, changes neither. The log records what it chose, so that it may be replaced at any time. */
export interface Scheduler {
  place(view: PlacementView, queue: ReadonlyMap<string, ShapeQueue>): Placement;
}

export const placementLimits = { assignments: 1024, jobs: 256 } as const;

interface Cursor {
  readonly queue: ShapeQueue;
  position: number;
  job: Job;
  candidates: Candidates | undefined;
}

/**
 * First come, first served by job; within a job by index; each task to the cheapest node with room, then the
 * least loaded, then by id. A shape that finds no room is passed over, so no job blocks those behind it.
 */
export const cheapestFirst: Scheduler = {
  place(view, queue) {
    const assignments: Assignment[] = [];
    const plans: Plans = new Map();
    const { cursors, limitSeq } = openCursors(queue, view.resumeFrom);
    let examined = 0;
    for (let cursor = cursors[0]; cursor !== undefined; cursor = cursors[0]) {
      const { job } = cursor;
      if (examined === placementLimits.jobs || job.seq >= limitSeq) {
        return { assignments, resumeFrom: job.seq };
      }
      examined += 1;
      cursor.candidates ??= new Candidates(cursor.queue.shape, job.terms, view.classes, plans, view.excluded);
      if (!placeJob(job, cursor.candidates, view.at, assignments))
        return { assignments, resumeFrom: job.seq };
      cursors.shift();
      if (!cursor.candidates.exhausted) advance(cursors, cursor);
    }
    return { assignments, resumeFrom: limitSeq === Number.POSITIVE_INFINITY ? 0 : limitSeq };
  },
};

/** One cursor a shape, by the seq of its next job. Shapes whose next job is at `limitSeq` or later wait. */
function openCursors(
  queue: ReadonlyMap<string, ShapeQueue>,
  resumeFrom: number,
): { cursors: Cursor[]; limitSeq: number } {
  const cursors: Cursor[] = [];
  for (const shapeQueue of queue.values()) {
    const position = resumeFrom === 0 ? 0 : positionOf(shapeQueue.jobs, resumeFrom);
    const job = shapeQueue.jobs[position];
    if (job !== undefined) cursors.push({ queue: shapeQueue, position, job, candidates: undefined });
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

/** False when the bound of assignments was reached with tasks left. */
function placeJob(job: Job, candidates: Candidates, at: number, assignments: Assignment[]): boolean {
  const late = queueDeadline(job) <= at;
  let left = job.ready;
  for (let index = job.firstReady; left > 0 && !candidates.exhausted; index++) {
    const task = job.tasks[index];
    if (task === undefined) break;
    if (!isReady(task)) continue;
    left -= 1;
    // Its queue timeout is over: the next tick ends it.
    if (late && task.attempt === 0) continue;
    if (assignments.length === placementLimits.assignments) return false;
    const assignment = candidates.take(task);
    if (assignment !== undefined) assignments.push(assignment);
  }
  return true;
}
