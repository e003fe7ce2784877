import { parseFrame } from './entry.ts';
import { check } from './observation.ts';

interface Finished {
  readonly kind: string;
  readonly receipt?: { readonly task: string; readonly attempt: number; readonly reason: string };
}

/** What holds of agents that do not lie, have no twin and keep their memory. */
export class TrustBook {
  readonly #distrusted = new Set<string>();
  /** Containers that were started, by task: each attempt at most once on a machine. */
  readonly #started = new Map<string, Set<string>>();
  /** How programs really ended, by task. */
  readonly #ran = new Map<string, Map<string, boolean>>();

  trusts(node: string): boolean {
    return !this.#distrusted.has(node);
  }

  distrust(node: string): void {
    this.#distrusted.add(node);
  }

  start(task: string, attempt: number, node: string): void {
    if (!this.trusts(node)) return;
    const what = `${attempt} on ${node}`;
    const ofTask = this.#started.get(task) ?? new Set<string>();
    this.#started.set(task, ofTask);
    check(!ofTask.has(what), 'run.again', () => `${task}/${what} is run a second time`);
    ofTask.add(what);
  }

  ran(task: string, attempt: number, node: string, succeeded: boolean): void {
    if (!this.trusts(node)) return;
    const ofTask = this.#ran.get(task) ?? new Map<string, boolean>();
    this.#ran.set(task, ofTask.set(`${attempt} on ${node}`, succeeded));
  }

  /** A receipt says what was. */
  hear(node: string, value: unknown, genuine: boolean): void {
    const frame = parseFrame(value);
    if (!genuine || !this.trusts(node) || frame?.['type'] !== 'report') return;
    if (!Array.isArray(frame['items'])) return;
    for (const { receipt } of frame['items'] as readonly Finished[]) {
      if (receipt?.reason !== 'completed') continue;
      const { task, attempt } = receipt;
      check(
        this.#ran.get(task)?.get(`${attempt} on ${node}`) !== false,
        'receipt.untrue',
        () => `${node} says that ${task}/${attempt} completed, and its program failed`,
      );
    }
  }

  /** The hello of a node leaves an attempt out that was not refused and whose end is not known. */
  forgotten(node: string, task: string, attempt: number): void {
    check(!this.trusts(node), 'task.forgotten', () => `${node} has forgotten ${task}/${attempt}`);
  }

  /** The task is over and nobody has it any more. */
  forget(task: string): void {
    this.#started.delete(task);
    this.#ran.delete(task);
  }
}
