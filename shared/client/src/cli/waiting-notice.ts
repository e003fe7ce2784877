import { durationText, plain } from './phrases.ts';

/** Why nothing of a job runs. */
export interface Waiting {
  readonly reason: string;
  readonly message: string;
  readonly hint: string;
}

const repeatMs = 60_000;

/** Decides when to tell those who see lines why nothing starts: each reason once, and again when a minute has passed. */
export class WaitingNotice {
  readonly #startedMs: number;
  readonly #saidMs = new Map<string, number>();

  constructor(nowMs: number) {
    this.#startedMs = nowMs;
  }

  /** The line to write now, if any. Counts in the message change all the time and are no news. */
  lineAt({ reason, message, hint }: Waiting, nowMs: number): string | undefined {
    const saidMs = this.#saidMs.get(reason);
    if (saidMs !== undefined && nowMs - saidMs < repeatMs) return undefined;
    this.#saidMs.set(reason, nowMs);
    const since =
      saidMs === undefined ? 'waiting' : `still waiting after ${durationText(nowMs - this.#startedMs)}`;
    return plain([`${since}: ${message}`, hint].filter((text) => text !== '').join(' '));
  }
}
