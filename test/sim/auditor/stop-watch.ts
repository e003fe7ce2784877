import { parseFrame } from './entry.ts';
import { check } from './observation.ts';

interface Ended {
  readonly what: string;
  readonly sinceMs: number;
}

/** Longer than the coordinator is ever frozen, or its disk stalls. */
const patienceMs = 15_000;

/**
 * What ends without its node is said to its node: a coordinator that hears the node on, in one session, does not keep it
 * to itself. A welcome says it as well, by what it leaves out.
 */
export class StopWatch {
  /** By node, then attempt. */
  readonly #unsaid = new Map<string, Map<string, Ended>>();
  /** The session that was welcomed last, of each node, until it greets anew. */
  readonly #open = new Map<string, string>();

  ended(node: string, task: string, attempt: number, nowMs: number): void {
    if (!this.#open.has(node)) return;
    const ofNode = this.#unsaid.get(node) ?? new Map<string, Ended>();
    const what = `${task}/${attempt}`;
    this.#unsaid.set(node, ofNode.set(what, { what, sinceMs: nowMs }));
  }

  released(node: string, task: string, attempt: number): void {
    this.#unsaid.get(node)?.delete(`${task}/${attempt}`);
  }

  /** The coordinator has ended, and all sessions with it. */
  stop(): void {
    this.#unsaid.clear();
    this.#open.clear();
  }

  say(node: string, session: string, value: unknown): void {
    const frame = parseFrame(value);
    if (frame?.['type'] === 'welcome') {
      this.#unsaid.delete(node);
      this.#open.set(node, session);
    }
    if (frame?.['type'] !== 'stop') return;
    for (const { task, attempt } of frame['attempts'] as readonly {
      readonly task: string;
      readonly attempt: number;
    }[])
      this.released(node, task, attempt);
  }

  hear(node: string, session: string, value: unknown, nowMs: number): void {
    const unsaid = this.#unsaid.get(node);
    if (parseFrame(value)?.['type'] === 'hello') {
      this.#unsaid.delete(node);
      this.#open.delete(node);
      return;
    }
    if (unsaid === undefined || this.#open.get(node) !== session) return;
    for (const { what, sinceMs } of unsaid.values())
      check(
        nowMs - sinceMs <= patienceMs,
        'said.no-stop',
        () => `${what} ended ${nowMs - sinceMs} ms ago, and ${node}, which is heard, was not told to stop it`,
      );
  }
}
