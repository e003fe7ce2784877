import type { OfferFrame } from '@capacloud/protocol/wire/frames';
import type { AddressRates, NodeRates } from './rates.ts';

export type Offered = Pick<OfferFrame, 'offer' | 'accepting'>;

export interface OfferBudget {
  readonly node: NodeRates;
  readonly address: AddressRates;
  /** The least time from one offer to the next. */
  readonly intervalMs: number;
}

/** Until an offer of the node may go to the log. Each is an event for ever. */
export function offerWaitMs({ node, address, intervalMs }: OfferBudget, nowMs: number): number {
  // A clock that steps back must not make anybody wait for longer than that.
  const sinceMs = Math.max(0, nowMs - node.offeredAtMs);
  return Math.max(intervalMs - sinceMs, node.offers.waitMs(nowMs), address.offers.waitMs(nowMs), 0);
}

export function spendOffer({ node, address }: OfferBudget, nowMs: number): void {
  node.offeredAtMs = nowMs;
  node.offers.charge(nowMs);
  address.offers.charge(nowMs);
}

/** The offers of one session on their way to the log: of those that come faster than it takes them, the newest. */
export class OfferIntake {
  readonly #budget: OfferBudget;
  readonly #now: () => number;
  readonly #log: (offered: Offered) => void;
  #newest: Offered | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(budget: OfferBudget, now: () => number, log: (offered: Offered) => void) {
    this.#budget = budget;
    this.#now = now;
    this.#log = log;
  }

  push(offered: Offered): void {
    this.#newest = offered;
    if (this.#timer === undefined) this.#next();
  }

  /** What waits is dropped: the node's next hello brings its offer. */
  close(): void {
    clearTimeout(this.#timer);
    this.#newest = undefined;
  }

  #next(): void {
    this.#timer = undefined;
    if (this.#newest === undefined) return;
    const waitMs = offerWaitMs(this.#budget, this.#now());
    if (waitMs > 0) {
      this.#timer = setTimeout(() => this.#next(), waitMs);
      return;
    }
    const offered = this.#newest;
    this.#newest = undefined;
    spendOffer(this.#budget, this.#now());
    this.#log(offered);
  }
}
