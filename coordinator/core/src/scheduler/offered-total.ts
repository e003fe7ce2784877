import { isConnected } from '../node/node-states.ts';
import type { Amounts, NodeRecord } from '../state.ts';

/** What all connected nodes offer together: shares of it are what consumers are compared by. */
export class OfferedTotal implements Amounts {
  cpuMilli = 0;
  memoryBytes = 0;
  deviceMilli = 0;
  /** The offer of each node that is counted. */
  readonly #counted = new WeakMap<NodeRecord, NodeRecord['offer']>();

  /** The node's offer may be another, or whether it is connected. */
  note(node: NodeRecord): void {
    const before = this.#counted.get(node);
    const offer = isConnected(node.status) ? node.offer : undefined;
    if (offer === before) return;
    if (before !== undefined) this.#add(before, -1);
    if (offer === undefined) this.#counted.delete(node);
    else {
      this.#add(offer, 1);
      this.#counted.set(node, offer);
    }
  }

  /** Share of the resource of which the consumer has the most: dominant resource fairness (Ghodsi et al., NSDI '11). */
  shareOf(use: Amounts): number {
    return Math.max(
      use.cpuMilli / Math.max(1, this.cpuMilli),
      use.memoryBytes / Math.max(1, this.memoryBytes),
      use.deviceMilli / Math.max(1, this.deviceMilli),
    );
  }

  #add({ cpuMilli, devices, memoryBytes }: NodeRecord['offer'], times: 1 | -1): void {
    this.cpuMilli += times * cpuMilli;
    this.memoryBytes += times * memoryBytes;
    this.deviceMilli += times * devices.length * 1000;
  }
}
