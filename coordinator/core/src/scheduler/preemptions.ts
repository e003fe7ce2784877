import type { AccountId, NodeId, TaskId } from '@capacloud/protocol/ids';
import { mustGet } from '../assert.ts';
import type { Decision } from '../decision.ts';
import type { ReadOnly } from '../read-only.ts';
import { stopsLeft } from '../slices/account/stops-owed.ts';
import { makingWayMs } from '../slices/attempt/making-way.ts';
import { afterFailure } from '../slices/attempt/retry.ts';
import { isActive } from '../slices/attempt/task-states.ts';
import { isLate } from '../slices/job/events.ts';
import type { Job, Lane } from '../slices/job/record.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import type { State } from '../state.ts';
import { isKeptBack, type ReviewNotes, takesWork, waitsSince } from './starvation.ts';
import { type Budget, type Step, type Stoppable, StopSearch } from './stop-search.ts';

/** Nodes that are looked at in one tick, and attempts that are stopped. */
const limits = { nodes: 16_384, stops: 64 } as const;
/** Beyond the grace period, for a node to say that it has let go. */
const lettingGoMs = 60_000;

/** Nodes that are kept for a job, where others are stopped for it. */
interface Clearing {
  readonly job: ReadOnly<Job>;
  /** Tasks for which there will be room. */
  readonly rooms: number;
  readonly nodes: readonly ReadOnly<NodeRecord>[];
  readonly victims: readonly Stoppable[];
  readonly until: number;
  /** All have let go, and the job has had its turn since. */
  isClear: boolean;
}

/**
 * Stops attempts that were sold as interruptible, for tasks that pay in full and found no room for `preemptAfterMs`. Never
 * more than pay less together than who comes, and those that lose the least of their time. The nodes are kept until they have
 * let go: who is stopped has its grace period to save what it has.
 */
export class Preemptions {
  #clearings: readonly Clearing[] = [];

  /** Jobs that nodes are cleared for, and for how many of their tasks. */
  holders(): ReadonlyMap<ReadOnly<Job>, number> {
    const rooms = new Map<ReadOnly<Job>, number>();
    for (const clearing of this.#clearings)
      rooms.set(clearing.job, (rooms.get(clearing.job) ?? 0) + clearing.rooms);
    return rooms;
  }

  nodesFor(job: ReadOnly<Job>): number {
    return this.#clearings.reduce((sum, each) => sum + (each.job === job ? each.nodes.length : 0), 0);
  }

  /** Before the decision is closed, with the nodes that it takes away. */
  review(state: ReadOnly<State>, notes: ReviewNotes, decision: Decision, leaving: ReadonlySet<NodeId>): void {
    const { at } = decision;
    this.#endClearings(state, notes, at);
    const { preemptAfterMs } = state.ruleset;
    // Where something has changed since the last look, there may be room.
    if (preemptAfterMs === undefined || state.interruptible.size === 0 || notes.hasNews(state)) return;
    const budget: Budget = { nodes: limits.nodes, stops: limits.stops };
    const stopped = new Map<AccountId, number>();
    for (const { job, lane } of this.#starved(state, notes, at, preemptAfterMs)) {
      if (budget.nodes <= 0 || budget.stops <= 0) return;
      const account = mustGet(state.accounts, job.consumer, 'account');
      notes.waiting.openOf(lane).stopsSoughtAt = at;
      notes.busy.job = job.id;
      const search = new StopSearch({ state, keepings: notes.keepings, decision, leaving, budget });
      for (const found of search.roomFor(job)) {
        const left = stopsLeft(account) - (stopped.get(account.id) ?? 0);
        const steps = withinStops(found, decision, left, job.terms.gang === true);
        if (steps.length === 0) continue;
        const stops = this.#clear(job, steps, decision, { state, notes });
        budget.stops -= stops;
        stopped.set(account.id, (stopped.get(account.id) ?? 0) + stops);
      }
    }
  }

  /** Jobs that may have others stopped: of who uses the least first, and then of who waits longest. */
  #starved(
    state: ReadOnly<State>,
    { offered, waiting }: ReviewNotes,
    at: number,
    afterMs: number,
  ): readonly Starved[] {
    const holders = this.holders();
    const found: Starved[] = [];
    for (const queue of state.waiting.values()) {
      if (stopsLeft(queue.account) <= 0) continue;
      const share = offered.shareOf(queue.account.use);
      for (const lane of queue.lanes) {
        const [job] = lane.jobs;
        // guard: stop nobody for who may be stopped
        if (job === undefined || isKeptBack(state, job) || job.terms.interruptible === true) continue;
        const { servedAt, stopsSoughtAt } = waiting.of(lane);
        const since = waitsSince(job, servedAt);
        const task = job.tasks[job.firstReady];
        // guard: let who comes wait before others are stopped
        if (at < Math.max(since, stopsSoughtAt) + afterMs || holders.has(job)) continue;
        if (task === undefined || isLate(job, task, at)) continue;
        found.push({ job, lane, share, since });
      }
    }
    return found.sort((a, b) => a.share - b.share || a.since - b.since || a.job.seq - b.job.seq);
  }

  /** Stops the victims of the steps and keeps their nodes. Gives how many attempts end. */
  #clear(
    job: ReadOnly<Job>,
    steps: readonly Step[],
    decision: Decision,
    { state, notes }: { readonly state: ReadOnly<State>; readonly notes: ReviewNotes },
  ): number {
    const { at } = decision;
    const before = decision.events.length;
    const victims = steps.flatMap((step) => step.victims);
    for (const { job: theirs, task } of victims) {
      // Another one of its gang may have been stopped before.
      if (decision.hasEnded(task.id)) continue;
      const then = afterFailure(theirs, task, 'preempted', undefined, at);
      const preemptedFor = job.consumer;
      decision.endAttempt(theirs, task, { reason: 'preempted', preemptedFor, released: false, then });
    }
    const graceMs = Math.max(0, ...victims.map((victim) => makingWayMs(state.ruleset, victim.job.terms)));
    const nodes = [...new Set(steps.map(({ node }) => node))];
    // guard: keep the room that is made
    for (const node of nodes) notes.keepings.keep(node, { job: job.id, leftMs: 0 });
    const until = at + graceMs + lettingGoMs;
    this.#clearings = [
      ...this.#clearings,
      { job, nodes, rooms: steps.length, victims, until, isClear: false },
    ];
    return decision.events.length - before;
  }

  #endClearings(state: ReadOnly<State>, notes: ReviewNotes, at: number): void {
    this.#clearings = this.#clearings.filter((clearing) => {
      if (isNeeded(state, clearing, at)) return true;
      for (const node of clearing.nodes) notes.keepings.free(node);
      notes.stir();
      return false;
    });
  }
}

/**
 * As many of the steps, from the first on, as may stop attempts for the account: of a gang all or none, because it is placed as a
 * whole. What makes way of a gang takes the rest of that gang along.
 */
function withinStops(
  steps: readonly Step[],
  decision: Decision,
  stopsLeft: number,
  isGang: boolean,
): readonly Step[] {
  const ending = new Set<TaskId>();
  for (const [index, { victims }] of steps.entries()) {
    for (const { job, task } of victims)
      for (const each of job.terms.gang === true ? job.tasks : [task])
        if (isActive(each.state) && !decision.hasEnded(each.id)) ending.add(each.id);
    if (ending.size > stopsLeft) return isGang ? [] : steps.slice(0, index);
  }
  return steps;
}

interface Starved {
  readonly job: ReadOnly<Job>;
  readonly lane: ReadOnly<Lane>;
  readonly share: number;
  readonly since: number;
}

function isNeeded(state: ReadOnly<State>, clearing: Clearing, at: number): boolean {
  const { job, nodes, until, victims } = clearing;
  if (clearing.isClear || at >= until) return false;
  if (job.ready === 0 || isKeptBack(state, job) || state.jobs.get(job.id) !== job) return false;
  for (const node of nodes) if (state.nodes.get(node.id) !== node || !takesWork(node)) return false;
  clearing.isClear = victims.every(
    ({ attempt, node, task }) => node.occupied.get(task.id)?.attempt !== attempt,
  );
  return true;
}
