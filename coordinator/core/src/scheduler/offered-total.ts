import { add, largestShare, noCapacity, offeredBy, subtract } from '@capacloud/protocol/capacity/capacity';
import type { ReadOnly } from '../read-only.ts';
import type { Amounts } from '../slices/account/record.ts';
import { isConnected } from '../slices/node/node-states.ts';
import type { NodeRecord } from '../slices/node/record.ts';

/** What all connected nodes offer together: shares of it are what consumers are compared by. */
export class OfferedTotal implements Amounts {
  readonly capacity = noCapacity();
  deviceMilli = 0;
  /** The offer of each node that is counted. */
  readonly #counted = new WeakMap<ReadOnly<NodeRecord>, ReadOnly<NodeRecord>['offer']>();

  /** The node's offer may be another, or whether it is connected. */
  note(node: ReadOnly<NodeRecord>): void {
    const before = this.#counted.get(node);
    const offer = isConnected(node.status) ? node.offer : undefined;
    if (offer === before) return;
    if (before !== undefined) this.#uncount(before);
    if (offer === undefined) this.#counted.delete(node);
    else {
      add(this.capacity, offeredBy(offer));
      this.deviceMilli += offer.devices.length * 1000;
      this.#counted.set(node, offer);
    }
  }

  /** The node is no more. */
  forget(node: ReadOnly<NodeRecord>): void {
    const before = this.#counted.get(node);
    if (before === undefined) return;
    this.#uncount(before);
    this.#counted.delete(node);
  }

  #uncount(offer: ReadOnly<NodeRecord>['offer']): void {
    subtract(this.capacity, offeredBy(offer));
    this.deviceMilli -= offer.devices.length * 1000;
  }

  /** Share of the resource of which the consumer has the most: dominant resource fairness (Ghodsi et al., NSDI '11). */
  shareOf({ capacity, deviceMilli }: ReadOnly<Amounts>): number {
    return Math.max(largestShare(capacity, this.capacity), deviceMilli / Math.max(1, this.deviceMilli));
  }
}
