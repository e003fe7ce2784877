import type { JobTerms } from '../../contract/command.ts';
import type { ReadOnly } from '../../read-only.ts';
import { NodeSpace } from '../../scheduler/fit/node-space.ts';
import { makingWayMs } from '../../slices/attempt/making-way.ts';
import type { Occupancy } from '../../slices/attempt/occupancy.ts';
import type { Task } from '../../slices/attempt/record.ts';
import { stageDeadline } from '../../slices/attempt/stage-clock.ts';
import type { Job } from '../../slices/job/record.ts';
import { rateOn } from '../../slices/node/asks.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import type { State } from '../../state.ts';
import type { NodeRoom } from './offer-groups.ts';

/** The room that comes is counted in steps of so long, so that what is kept is bounded by time and not by tasks. */
const stepMs = 60_000;
const stages = ['assigned', 'pulling', 'starting', 'running', 'uploading'] as const;

/** When nodes have room for tasks of one kind at the latest: what runs there ends by the clocks of its stages, or makes way. */
export class RoomTimes {
  readonly #state: ReadOnly<State>;
  readonly #terms: JobTerms;
  readonly #at: number;
  /** Tasks for which there is room so many steps from now, besides those before. */
  readonly #steps = new Map<number, number>();
  /** Tasks that all nodes together could run at once, were they free. */
  #whole = 0;

  constructor(state: ReadOnly<State>, terms: JobTerms, at: number) {
    this.#state = state;
    this.#terms = terms;
    this.#at = at;
  }

  /** A node that would do, with its room now and with nothing on it. */
  look(node: ReadOnly<NodeRecord>, { need, roomNow, roomWhole }: NodeRoom): void {
    this.#add(0, roomNow);
    this.#whole += roomWhole;
    if (roomNow >= roomWhole) return;
    const space = new NodeSpace(node);
    const ends = [...node.occupied.values()]
      .map((occupancy) => ({ occupancy, endAt: this.#latestEnd(occupancy, node) }))
      .sort((a, b) => a.endAt - b.endAt);
    let room = roomNow;
    for (const { occupancy, endAt } of ends) {
      const job = this.#state.jobs.get(occupancy.job);
      if (job === undefined) continue;
      space.give(job, occupancy);
      const then = space.count(need);
      if (then <= room) continue;
      this.#add(Math.max(0, Math.ceil((endAt - this.#at) / stepMs)), then - room);
      room = then;
    }
  }

  /**
   * How long the task waits at the latest that so many others go before, on the same nodes; undefined where none would
   * do. More tasks than fit at once go in rounds, each as long as an attempt may run.
   */
  waitMs(before: number): number | undefined {
    if (this.#whole === 0) return undefined;
    const round = Math.floor(before / this.#whole);
    let left = before % this.#whole;
    let step = 0;
    for (const [each, tasks] of [...this.#steps].sort(([a], [b]) => a - b)) {
      step = each;
      left -= tasks;
      if (left < 0) break;
    }
    return step * stepMs + round * (this.#terms.runTimeoutMs + this.#terms.stopGraceMs);
  }

  #add(step: number, tasks: number): void {
    if (tasks > 0) this.#steps.set(step, (this.#steps.get(step) ?? 0) + tasks);
  }

  #latestEnd({ attempt, job: jobId, task: taskId }: Occupancy, node: ReadOnly<NodeRecord>): number {
    const { jobs, ruleset, tasks } = this.#state;
    const job = jobs.get(jobId);
    const task = tasks.get(taskId);
    const first = stages.findIndex((stage) => stage === task?.state);
    // It has ended for us: its node lets go of it, or is lost.
    if (job === undefined || task === undefined || task.attempt !== attempt || first < 0)
      return this.#at + ruleset.leaseMs + ruleset.lostMarginMs;
    const byClocks = stages
      .slice(first)
      .reduce((since, state) => this.#stageEnd(job, task, state, since), task.stageSince);
    return Math.min(byClocks, this.#madeWayAt(job, task, node));
  }

  /** By when it will have made way, where it would for such a task. */
  #madeWayAt({ terms }: ReadOnly<Job>, task: ReadOnly<Task>, node: ReadOnly<NodeRecord>): number {
    const { preemptAfterMs } = this.#state.ruleset;
    const makesWay =
      preemptAfterMs !== undefined &&
      task.interruptible &&
      this.#terms.interruptible !== true &&
      task.rateNano <= rateOn(node, this.#terms);
    if (!makesWay) return Number.POSITIVE_INFINITY;
    return this.#at + preemptAfterMs + makingWayMs(this.#state.ruleset, terms);
  }

  #stageEnd(
    job: ReadOnly<Job>,
    task: ReadOnly<Task>,
    state: (typeof stages)[number],
    stageSince: number,
  ): number {
    return stageDeadline(this.#state.ruleset, job, { ...task, state, stageSince }) ?? stageSince;
  }
}
