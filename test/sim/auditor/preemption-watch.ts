import type { AttemptAssigned, AttemptEnded, Ruleset } from './entry.ts';
import type { HoldBook } from './hold-book.ts';
import { type NodeBook, payOn } from './node-book.ts';
import { check } from './observation.ts';
import type { TaskBook } from './task-book.ts';
import type { JobFacts, TaskFacts } from './task-facts.ts';

/** For so long beyond the grace period a node may be kept for whom others were stopped. */
const keptMs = 60_000;

/** Attempts of others that may be stopped for one account without a success of its own. */
const mostOwed = 64;

/** Room that is being made on a node for one job, and nobody else can be meant. */
interface Room {
  readonly job: JobFacts;
  readonly at: number;
  readonly victims: Set<string>;
  untilAt: number;
}

/**
 * Only what was sold as interruptible makes way, for somebody who pays in full and no less, has waited, and may run there.
 * Until those that were stopped have let go, nobody else comes.
 */
export class PreemptionWatch {
  readonly #tasks: TaskBook;
  readonly #nodes: NodeBook;
  readonly #holds: HoldBook;
  /** By node. */
  readonly #rooms = new Map<string, Room>();
  /** By account: attempts that were stopped for it, less its successes since. */
  readonly #owed = new Map<string, number>();
  /** What those paid an hour that were stopped at one time, by node. */
  readonly #paid = new Map<string, { readonly at: number; readonly rate: bigint }>();

  constructor(tasks: TaskBook, nodes: NodeBook, holds: HoldBook) {
    this.#holds = holds;
    this.#tasks = tasks;
    this.#nodes = nodes;
  }

  /** Before the attempt counts as ended. */
  ended(event: AttemptEnded, task: TaskFacts, rules: Ruleset): void {
    const on = task.nodes.at(-1) ?? '';
    this.#count(event, task);
    if (event.reason !== 'preempted') {
      // Its node may have to pause, and is not kept then.
      if (event.then.kind !== 'succeeded') this.#rooms.delete(on);
      return;
    }
    const what = `${task.id}/${event.attempt} on ${on}`;
    check(task.isInterruptible, 'task.preempted', () => `${what} was not sold as interruptible`);
    const before = this.#paid.get(on);
    const rate = task.rate + (before?.at === event.at ? before.rate : 0n);
    this.#paid.set(on, { at: event.at, rate });
    const wanting = this.#wanting(on, event.at, rules.preemptAfterMs ?? Number.POSITIVE_INFINITY);
    check(
      wanting.some(({ job, most }) => most >= rate && job.terms.consumer === event.preemptedFor),
      'task.preempted',
      () =>
        `${what} pays ${rate} with others, and makes way for nobody of ${event.preemptedFor} who waits and pays as much`,
    );
    this.#makeRoom(on, event, task, wanting);
  }

  /** Who has others stopped and brings nothing to an end must stop at some time, whatever the coordinator forgets. */
  #count({ preemptedFor, reason, then }: AttemptEnded, task: TaskFacts): void {
    const { consumer } = task.job.terms;
    if (then.kind === 'succeeded') this.#owed.set(consumer, Math.max(0, (this.#owed.get(consumer) ?? 0) - 1));
    const isStopped = reason === 'preempted' || reason === 'gang_stopped';
    check(
      (reason !== 'preempted' || preemptedFor !== undefined) && (preemptedFor === undefined || isStopped),
      'task.preempted',
      () => `${task.id} ended as ${reason}, for ${preemptedFor ?? 'nobody'}`,
    );
    if (preemptedFor === undefined) return;
    const owed = (this.#owed.get(preemptedFor) ?? 0) + 1;
    this.#owed.set(preemptedFor, owed);
    check(
      owed <= mostOwed,
      'task.preempted',
      () =>
        `${task.id} is the ${owed}th attempt that was stopped for ${preemptedFor}, which succeeded with nothing`,
    );
  }

  assigned({ at, node, task: id }: AttemptAssigned): void {
    const { job } = this.#tasks.get(id);
    for (const [on, room] of this.#rooms) if (room.job === job) this.#rooms.delete(on);
    const room = this.#rooms.get(node);
    if (room === undefined || at >= room.untilAt) return;
    const { offer, provider } = this.#nodes.get(node);
    const isOpen = !room.job.isCancelled && !room.job.misfits.isClosed(provider, offer?.arch ?? '');
    const isKeptBack = this.#holds.isKeptBack(room.job.terms);
    const isWaiting = isOpen && !isKeptBack && waitsOf(room.job, at).length > 0;
    check(
      !isWaiting,
      'task.preempted',
      () => `${id} is placed on ${node}, where room is made for ${room.job.terms.job}`,
    );
  }

  released(node: string, task: string, attempt: number): void {
    const room = this.#rooms.get(node);
    room?.victims.delete(`${task}/${attempt}`);
    if (room?.victims.size === 0) this.#rooms.delete(node);
  }

  /** It may go, or the coordinator knows no more what it keeps. */
  forget(node?: string): void {
    if (node === undefined) this.#rooms.clear();
    else this.#rooms.delete(node);
  }

  /** Jobs that others may be stopped for on the node, and what they would pay there together. */
  #wanting(
    on: string,
    at: number,
    afterMs: number,
  ): readonly { readonly job: JobFacts; readonly most: bigint }[] {
    return [...this.#tasks.jobs.values()].flatMap((job) => {
      if (job.terms.interruptible === true || job.stoppedMs !== undefined) return [];
      const waiting = waitsOf(job, at);
      const pay = waiting.some((waitedMs) => waitedMs >= afterMs)
        ? payOn(this.#nodes.get(on), job.terms)
        : undefined;
      return pay === undefined ? [] : [{ job, most: pay * BigInt(waiting.length) }];
    });
  }

  #makeRoom(
    on: string,
    { at, attempt }: AttemptEnded,
    task: TaskFacts,
    wanting: readonly { readonly job: JobFacts }[],
  ): void {
    const [first] = wanting;
    const known = this.#rooms.get(on);
    // Of a gang all nodes must stay, or none is kept.
    if (first === undefined || wanting.length > 1 || first.job.terms.gang === true) return this.forget(on);
    const room = known?.at === at ? known : { job: first.job, at, victims: new Set<string>(), untilAt: at };
    room.victims.add(`${task.id}/${attempt}`);
    room.untilAt = Math.max(room.untilAt, at + task.job.terms.stopGraceMs + keptMs);
    this.#rooms.set(on, room);
  }
}

/** For how long each of its tasks waits that may be placed. */
function waitsOf({ submittedAt, tasks }: JobFacts, at: number): readonly number[] {
  return tasks.flatMap(({ notBefore, state }) =>
    state === 'queued' && notBefore <= at ? [at - Math.max(submittedAt, notBefore)] : [],
  );
}
