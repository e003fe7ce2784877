import type { NodeRecord } from '../state.ts';

const kept = 16_384;

/** Which nodes have changed, in order, so that indexes of them follow without looking at all. */
export class NodeChanges {
  #log: NodeRecord[] = [];
  #first = 0;
  #plans = 0;

  /** Every node that was ever seen, in that order. */
  readonly roster: NodeRecord[] = [];

  /** Position after the newest change. */
  get end(): number {
    return this.#first + this.#log.length;
  }

  /** The node's revision is the position after its newest change. */
  note(node: NodeRecord): void {
    if (node.revision === 0) this.roster.push(node);
    this.#log.push(node);
    node.revision = this.end;
    if (this.#log.length < 2 * kept) return;
    this.#log = this.#log.slice(kept);
    this.#first += kept;
  }

  /** A revision for what is only planned; no node has it. */
  nextPlan(): number {
    this.#plans -= 1;
    return this.#plans;
  }

  /** Calls with each node that has changed since the position, once; false when that is too long ago to tell. */
  follow(position: number, visit: (node: NodeRecord) => void): boolean {
    if (position < this.#first) return false;
    for (let i = position - this.#first; i < this.#log.length; i++) {
      const node = this.#log[i];
      if (node !== undefined && node.revision === this.#first + i + 1) visit(node);
    }
    return true;
  }
}
