import type { NodeId } from '@capacloud/protocol/ids';
import type { GatewayLimits } from './gateway-limits.ts';
import { TokenBucket } from './token-bucket.ts';

/** By key, the one asked for least recently is forgotten first. It outlives sessions, so a new one begins with no new allowance. */
class RateBook<K, R> {
  readonly #limit: number;
  readonly #make: () => R;
  readonly #rates = new Map<K, R>();

  constructor(limit: number, make: () => R) {
    this.#limit = limit;
    this.#make = make;
  }

  /** What is remembered of the key, if anything. A peer that only claims to have it makes no other be forgotten. */
  known(key: K): R | undefined {
    return this.#rates.get(key);
  }

  of(key: K): R {
    const rate = this.#rates.get(key) ?? this.#make();
    this.#rates.delete(key);
    this.#rates.set(key, rate);
    const [oldest] = this.#rates.keys();
    if (this.#rates.size > this.#limit && oldest !== undefined) this.#rates.delete(oldest);
    return rate;
  }
}

/** What a node may say, over all its sessions. */
export interface NodeRates {
  readonly frames: TokenBucket;
  readonly reportItems: TokenBucket;
  /** Sessions that it opens; one with a new delegation counts as `newDelegationWeight`. */
  readonly sessions: TokenBucket;
  readonly offers: TokenBucket;
  /** When its newest offer went to the log. */
  offeredAtMs: number;
}

/** What the nodes of one address may say together. */
export interface AddressRates {
  readonly frames: TokenBucket;
  readonly offers: TokenBucket;
  /** Delegations that no wallet had signed. */
  readonly forgeries: TokenBucket;
}

/** Verifying a wallet's signature costs as much as several resumed sessions. */
export const newDelegationWeight = 4;

/** Limits of rate by node and by address, across sessions. */
export class Rates {
  readonly #nodes: RateBook<NodeId, NodeRates>;
  readonly #addresses: RateBook<string, AddressRates>;

  constructor(limits: GatewayLimits, now: () => number) {
    this.#nodes = new RateBook(limits.ratedNodes, () => ({
      frames: new TokenBucket(limits.framesPerSecond, limits.framesBurst, now()),
      reportItems: new TokenBucket(limits.reportItemsPerSecond, limits.reportItemsBurst, now()),
      sessions: new TokenBucket(limits.sessionsOfNodePerSecond, limits.sessionsOfNodeBurst, now()),
      offers: new TokenBucket(limits.offersPerMinute / 60, limits.offersBurst, now()),
      offeredAtMs: Number.NEGATIVE_INFINITY,
    }));
    this.#addresses = new RateBook(limits.ratedAddresses, () => ({
      frames: new TokenBucket(limits.framesOfAddressPerSecond, limits.framesOfAddressBurst, now()),
      offers: new TokenBucket(limits.offersOfAddressPerSecond, limits.offersOfAddressBurst, now()),
      forgeries: new TokenBucket(limits.forgeriesPerSecond, limits.forgeriesBurst, now()),
    }));
  }

  /** Whether the node may open one more session. Asked before it has proven that it is the node. */
  mayOpen(node: NodeId, weight: number, nowMs: number): boolean {
    return this.#nodes.known(node)?.sessions.has(nowMs, weight) ?? true;
  }

  ofNode(node: NodeId): NodeRates {
    return this.#nodes.of(node);
  }

  ofAddress(address: string): AddressRates {
    return this.#addresses.of(address);
  }
}
