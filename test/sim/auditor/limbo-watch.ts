import { isOut, isSpent } from './crowd-rules.ts';
import type { Ruleset } from './entry.ts';
import type { NodeBook } from './node-book.ts';
import type { AuditTerms } from './observation.ts';
import { check } from './observation.ts';
import type { TaskBook } from './task-book.ts';
import { isActive, isEnd, stageLimitMs, type TaskFacts, waitEnd } from './task-facts.ts';

/** Its clock may run a little fast while it comes back to the wall clock. */
const fastest = 1.05;

/** While the coordinator runs, everything that is not over moves on within its time, and not in its first moments. */
export class LimboWatch {
  readonly #tasks: TaskBook;
  readonly #nodes: NodeBook;
  readonly #slackMs: number;
  /** Since when the coordinator runs without a break. */
  #upSinceMs: number | undefined = 0;
  readonly #stalls: { readonly fromMs: number; readonly untilMs: number }[] = [];

  constructor(tasks: TaskBook, nodes: NodeBook, { slackMs }: AuditTerms) {
    this.#tasks = tasks;
    this.#nodes = nodes;
    this.#slackMs = slackMs;
  }

  start(nowMs: number): void {
    this.#upSinceMs = nowMs;
  }

  stall(fromMs: number, untilMs: number): void {
    this.#stalls.push({ fromMs, untilMs });
  }

  stop(): void {
    this.#upSinceMs = undefined;
  }

  /** A clock ended an attempt: what its node had to say of it while the coordinator was away must have had time to come. */
  checkPatience(what: string, rules: Ruleset, nowMs: number): void {
    const upMs = nowMs - (this.#upSinceMs ?? nowMs);
    check(
      upMs >= rules.unknownAfterMs / fastest,
      'task.clock',
      () => `${what} is ended by a clock ${upMs} ms after a start`,
    );
  }

  sweep(rules: Ruleset, nowMs: number): void {
    const upSinceMs = this.#upSinceMs;
    if (upSinceMs === undefined) return;
    // While its disk stalls it can end nothing.
    const waited = (sinceMs: number): number => {
      const fromMs = Math.max(sinceMs, upSinceMs);
      return nowMs - fromMs - this.#stalledMs(fromMs, nowMs);
    };
    for (const task of this.#tasks.live.values()) {
      const { id, state, attempt, changedMs, job } = task;
      if (isEnd(state)) continue;
      const stoppedForMs = job.stoppedMs === undefined ? 0 : waited(job.stoppedMs);
      check(
        stoppedForMs <= this.#slackMs,
        'task.limbo',
        () => `${id} is ${state} for ${stoppedForMs} ms since its image was stopped`,
      );
      if (isActive(state)) {
        const isHeld = task.heldFor !== undefined;
        const stageMs = isHeld ? (rules.uploadHoldMs ?? 0) : stageLimitMs(task, rules);
        const limitMs = stageMs + this.#patienceMs(task, rules, nowMs) + this.#slackMs;
        const sinceMs = isHeld ? task.heldMs : changedMs;
        check(
          waited(sinceMs) <= limitMs,
          'task.limbo',
          () => `${id}/${attempt} is ${state} for ${waited(sinceMs)} ms`,
        );
      } else if (waitEnd(task) < Number.POSITIVE_INFINITY) {
        // By its own clock for what the log says, and by true time for how long that is.
        const dueInMs = waitEnd(task) - Math.max(task.waitsSince, job.submittedAt);
        const limitMs = dueInMs + this.#slackMs;
        const sinceMs = attempt === 0 ? job.submittedMs : changedMs;
        check(waited(sinceMs) <= limitMs, 'task.limbo', () => `${id} waits for ${waited(sinceMs)} ms`);
      }
    }
    const silenceMs = rules.leaseMs + rules.lostMarginMs + this.#slackMs;
    for (const node of this.#nodes.all.values()) {
      const { id, status, heardMs, statusMs } = node;
      check(
        !isSpent(node, rules) || waited(statusMs) <= this.#slackMs,
        'node.kept',
        () => `${id} is ${status} for ${waited(statusMs)} ms, was never paid, and is not forgotten`,
      );
      check(
        isOut(node) || waited(heardMs) <= silenceMs,
        'node.lost-late',
        () => `${id} is ${status} and silent for ${waited(heardMs)} ms`,
      );
    }
  }

  /** How much longer a stage may take: its node must have been there for a while; one that comes and goes has a lease. */
  #patienceMs({ nodes }: TaskFacts, rules: Ruleset, nowMs: number): number {
    const node = this.#nodes.get(nodes.at(-1) ?? '');
    const isSteady =
      nowMs - node.heardMs <= this.#slackMs &&
      nowMs - node.steadySinceMs > rules.unknownAfterMs + this.#slackMs;
    return isSteady ? 0 : rules.leaseMs + rules.lostMarginMs;
  }

  #stalledMs(fromMs: number, untilMs: number): number {
    return this.#stalls.reduce(
      (sum, stall) => sum + Math.max(0, Math.min(untilMs, stall.untilMs) - Math.max(fromMs, stall.fromMs)),
      0,
    );
  }
}
