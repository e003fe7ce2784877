interface Lane<T> {
  /** By address, in the order of their turns. */
  readonly byAddress: Map<string, T[]>;
  size: number;
}

/**
 * What waits to be verified. Addresses take turns, and known ones are a lane of their own that gets every other turn, so that a
 * crowd of strangers slows down one another and nobody else. Each lane is bounded, and so is what one address has in it.
 */
export class VerifyingQueue<T> {
  readonly #perLane: number;
  readonly #known: Lane<T> = { byAddress: new Map(), size: 0 };
  readonly #strange: Lane<T> = { byAddress: new Map(), size: 0 };
  #isKnownNext = true;

  constructor(perLane: number) {
    this.#perLane = perLane;
  }

  /** False: it has to come again. An address may have no more in its lane than the lane has room left. */
  push(address: string, isKnown: boolean, item: T): boolean {
    const lane = isKnown ? this.#known : this.#strange;
    const waiting = lane.byAddress.get(address) ?? [];
    if (waiting.length >= this.#perLane - lane.size) return false;
    waiting.push(item);
    lane.byAddress.set(address, waiting);
    lane.size += 1;
    return true;
  }

  shift(): T | undefined {
    const lanes = this.#isKnownNext ? [this.#known, this.#strange] : [this.#strange, this.#known];
    this.#isKnownNext = !this.#isKnownNext;
    for (const lane of lanes) {
      for (const [address, waiting] of lane.byAddress) {
        const item = waiting.shift();
        lane.size -= 1;
        lane.byAddress.delete(address);
        if (waiting.length > 0) lane.byAddress.set(address, waiting);
        return item;
      }
    }
    return undefined;
  }
}
