import type { NodeId } from '@capacloud/protocol/ids';
import type { JobTerms } from '../contract/command.ts';
import type { Decision } from '../decision.ts';
import type { ReadOnly } from '../read-only.ts';
import type { Occupancy } from '../slices/attempt/occupancy.ts';
import type { Task } from '../slices/attempt/record.ts';
import { isActive } from '../slices/attempt/task-states.ts';
import { optionsOf } from '../slices/job/options.ts';
import type { Job } from '../slices/job/record.ts';
import { rateOn } from '../slices/node/asks.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import type { State } from '../state.ts';
import { isAllowed } from './fit/feasibility.ts';
import { NodeSpace, type TaskNeed, taskNeed } from './fit/node-space.ts';
import type { Keepings } from './keepings.ts';
import { takesWork } from './starvation.ts';

/** An attempt that was sold as interruptible. */
export interface Stoppable {
  readonly node: ReadOnly<NodeRecord>;
  readonly job: ReadOnly<Job>;
  readonly task: ReadOnly<Task>;
  readonly attempt: number;
  readonly occupancy: Occupancy;
}

/** Room for one more task on a node, once these are stopped there, and those of the steps before it. */
export interface Step {
  readonly node: ReadOnly<NodeRecord>;
  readonly victims: readonly Stoppable[];
  /** For how long all these have run, together. */
  readonly lostMs: number;
}

export interface Budget {
  nodes: number;
  stops: number;
}

interface StopSearchParts {
  readonly state: ReadOnly<State>;
  readonly keepings: Keepings;
  readonly decision: Decision;
  /** Nodes that go away in this decision. */
  readonly leaving: ReadonlySet<NodeId>;
  readonly budget: Budget;
}

/** Seeks attempts that could be stopped, in one decision. */
export class StopSearch {
  readonly #state: ReadOnly<State>;
  readonly #keepings: Keepings;
  readonly #decision: Decision;
  readonly #leaving: ReadonlySet<NodeId>;
  readonly #budget: Budget;

  constructor({ budget, decision, keepings, leaving, state }: StopSearchParts) {
    this.#state = state;
    this.#keepings = keepings;
    this.#decision = decision;
    this.#leaving = leaving;
    this.#budget = budget;
  }

  /** Steps that belong together: those of a gang all, others those of one node. None where nobody has to go, or it is no use. */
  roomFor(job: ReadOnly<Job>): readonly (readonly Step[])[] {
    const isGang = job.terms.gang === true;
    const needed = isGang ? job.live : Math.min(job.ready, this.#budget.stops);
    for (const terms of optionsOf(job.terms)) {
      const steps: Step[] = [];
      for (const node of this.#nodes(isGang)) {
        if (this.#budget.nodes <= 0) break;
        this.#budget.nodes -= 1;
        if (!this.#isEligible(node, terms)) continue;
        const found = this.#stepsOn(node, terms, needed);
        // There is room, and a look will find it.
        if (!isGang && found[0]?.victims.length === 0) return [];
        steps.push(...found);
      }
      if (steps.length === 0 || (isGang && steps.length < needed)) continue;
      // The sort keeps what is equal in order, so a step never comes before one that it counts on.
      const chosen = steps.sort((a, b) => a.lostMs - b.lostMs).slice(0, needed);
      if (!isGang) return byNode(chosen);
      // One that has room as it is only waits for its turn.
      if (chosen.some(({ victims }) => victims.length > 0)) return [chosen];
    }
    return [];
  }

  /** Those with interruptible attempts; a gang needs those that have room as well. */
  #nodes(isGang: boolean): ReadonlySet<ReadOnly<NodeRecord>> {
    const nodes = new Set<ReadOnly<NodeRecord>>();
    for (const { node: id } of this.#state.interruptible) {
      const node = id === undefined ? undefined : this.#state.nodes.get(id);
      if (node !== undefined) nodes.add(node);
      if (nodes.size >= this.#budget.nodes) return nodes;
    }
    if (isGang) for (const node of this.#state.openNodes) nodes.add(node);
    return nodes;
  }

  #isEligible(node: ReadOnly<NodeRecord>, terms: JobTerms): boolean {
    return (
      takesWork(node) &&
      !this.#leaving.has(node.id) &&
      this.#keepings.of(node) === undefined &&
      // guard: stop nobody for who may not come
      isAllowed(node, terms) &&
      // guard: stop nobody for who cannot pay what is asked
      rateOn(node, terms) <= terms.maxRateNano
    );
  }

  /** Room for a first task on the node, for a second one and so on; each step counts on those before it. */
  #stepsOn(node: ReadOnly<NodeRecord>, terms: JobTerms, needed: number): readonly Step[] {
    const space = new NodeSpace(node);
    const need = taskNeed(terms.resources);
    const candidates = this.#stoppable(node);
    const rate = rateOn(node, terms);
    const steps: Step[] = [];
    const { at } = this.#decision;
    let lostMs = 0;
    while (steps.length < needed) {
      const victims = victimsFor(space, need, candidates, rate);
      if (victims === undefined) break;
      for (const { task } of victims) lostMs += at - startOf(task);
      steps.push({ node, victims, lostMs });
    }
    return steps;
  }

  /** Those that began last go first: they lose the least. */
  #stoppable(node: ReadOnly<NodeRecord>): Stoppable[] {
    const found: Stoppable[] = [];
    for (const occupancy of node.occupied.values()) {
      const { attempt, job: jobId, task: taskId } = occupancy;
      const job = this.#state.jobs.get(jobId);
      const task = this.#state.tasks.get(taskId);
      // PREEMPT-1
      // guard: stop only what was sold as interruptible
      if (job === undefined || task?.attempt !== attempt || !task.interruptible) continue;
      if (!isActive(task.state) || job.isStopped || this.#decision.hasEnded(taskId)) continue;
      found.push({ node, job, task, attempt, occupancy });
    }
    return found.sort((a, b) => startOf(b.task) - startOf(a.task) || (a.task.id < b.task.id ? -1 : 1));
  }
}

function byNode(steps: readonly Step[]): readonly (readonly Step[])[] {
  const groups = new Map<ReadOnly<NodeRecord>, Step[]>();
  for (const step of steps) {
    const group = groups.get(step.node);
    if (group === undefined) groups.set(step.node, [step]);
    else group.push(step);
  }
  return [...groups.values()];
}

function startOf({ assignedAt, runningSince }: ReadOnly<Task>): number {
  return runningSince > 0 ? runningSince : assignedAt;
}

/**
 * Who has to go from the node so that a task fits that pays so much, as few as will do; undefined where there is no such
 * choice. Those chosen leave `candidates`, and the task takes its room in `space`.
 */
function victimsFor(
  space: NodeSpace,
  need: TaskNeed,
  candidates: Stoppable[],
  rateNano: bigint,
): readonly Stoppable[] | undefined {
  const gone: Stoppable[] = [];
  for (const victim of candidates) {
    if (space.has(need)) break;
    space.give(victim.job, victim.occupancy);
    gone.push(victim);
  }
  const isEnough = space.has(need);
  // The last one made room; of those before it some may stay after all, the oldest rather than the others.
  const needed = isEnough ? gone.toReversed().filter((victim) => !canStay(space, victim, need)) : [];
  const paidNano = needed.reduce((sum, { task }) => sum + task.rateNano, 0n);
  // guard: stop nobody who pays more
  if (!isEnough || paidNano > rateNano) {
    for (const victim of isEnough ? needed : gone) space.takeBack(victim.job, victim.occupancy);
    return undefined;
  }
  for (const victim of needed) candidates.splice(candidates.indexOf(victim), 1);
  space.take(need);
  return needed;
}

function canStay(space: NodeSpace, { job, occupancy }: Stoppable, need: TaskNeed): boolean {
  space.takeBack(job, occupancy);
  if (space.has(need)) return true;
  space.give(job, occupancy);
  return false;
}
