import type { Ruleset } from './entry.ts';
import type { NodeBook } from './node-book.ts';
import type { AuditTerms } from './observation.ts';
import { check } from './observation.ts';
import type { TaskBook } from './task-book.ts';
import { isActive, isEnd, stageLimitMs } from './task-facts.ts';

/** Its clock may run a little fast while it comes back to the wall clock. */
const fastest = 1.05;

/** While the coordinator runs, everything that is not over moves on within its time, and not in its first moments. */
export class LimboWatch {
  readonly #tasks: TaskBook;
  readonly #nodes: NodeBook;
  readonly #slackMs: number;
  /** Since when the coordinator runs without a break. */
  #upSinceMs: number | undefined = 0;

  constructor(tasks: TaskBook, nodes: NodeBook, { slackMs }: AuditTerms) {
    this.#tasks = tasks;
    this.#nodes = nodes;
    this.#slackMs = slackMs;
  }

  start(nowMs: number): void {
    this.#upSinceMs = nowMs;
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
    const waited = (sinceMs: number): number => nowMs - Math.max(sinceMs, upSinceMs);
    for (const task of this.#tasks.live.values()) {
      const { id, state, attempt, changedMs, job } = task;
      if (isEnd(state)) continue;
      if (isActive(state)) {
        // Where its node comes back again and again, a lease more.
        const limitMs = stageLimitMs(task, rules) + rules.leaseMs + rules.lostMarginMs + this.#slackMs;
        check(
          waited(changedMs) <= limitMs,
          'task.limbo',
          () => `${id}/${attempt} is ${state} for ${waited(changedMs)} ms`,
        );
      } else if (attempt === 0) {
        const limitMs = job.terms.queueTimeoutMs + this.#slackMs;
        check(
          waited(job.submittedMs) <= limitMs,
          'task.limbo',
          () => `${id} waits for ${waited(job.submittedMs)} ms`,
        );
      }
    }
    const silenceMs = rules.leaseMs + rules.lostMarginMs + this.#slackMs;
    for (const { id, status, heardMs } of this.#nodes.all.values()) {
      const isOut = status === 'lost' || status === 'gone';
      check(
        isOut || waited(heardMs) <= silenceMs,
        'node.lost-late',
        () => `${id} is ${status} and silent for ${waited(heardMs)} ms`,
      );
    }
  }
}
