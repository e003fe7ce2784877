import { accept, type Result, refuse } from '@capacloud/protocol/result';

/** Explanations and plans look at every node. */
export const lookLimits = {
  /** That wait for their turn, in all and of one caller. */
  waiting: 64,
  waitingPerCaller: 4,
  /** Explanations of the tasks of one job, sustained and at once. */
  perJob: { perSecond: 1, burst: 30 },
} as const;

/** Nodes, or kinds of tasks, that count as one call more against the rate of the caller. */
const lookedPerCall = 50;

/** How many calls a look counts as, beyond the call itself. */
export function weightOfLook(looked: number): number {
  return Math.ceil(looked / lookedPerCall);
}

/**
 * Lets one look at the whole network go on at a time. Each gives way every few milliseconds, but a hundred of them at once would
 * still hold everybody else up for as many turns.
 */
export class LongLooks {
  readonly #waiting = new Map<string, number>();
  #count = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** `caller` names who asks. Rejects with what `look` throws, and with the signal's reason once it aborts. */
  async run<T>(caller: string, signal: AbortSignal, look: () => Promise<T>): Promise<Result<T>> {
    const own = this.#waiting.get(caller) ?? 0;
    if (own >= lookLimits.waitingPerCaller)
      return refuse('request.rate_limited', `${own} explanations and plans of this caller are under way.`, {
        hint: 'Wait for their answers before you ask for more.',
      });
    if (this.#count >= lookLimits.waiting)
      return refuse('service.overloaded', 'Too many explanations and plans wait for their turn.');
    this.#waiting.set(caller, own + 1);
    this.#count += 1;
    const turn = this.#last.then(() => {
      signal.throwIfAborted();
      return look();
    });
    this.#last = turn.catch(() => undefined);
    try {
      return accept(await turn);
    } finally {
      this.#count -= 1;
      const left = (this.#waiting.get(caller) ?? 1) - 1;
      if (left === 0) this.#waiting.delete(caller);
      else this.#waiting.set(caller, left);
    }
  }
}
