import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { Refusal } from '@capacloud/protocol/result';
import type { JoinLimits } from '../join-limits.ts';
import type { Acquaintance, KnownNode } from '../ports/questions.ts';

const hourMs = 3_600_000;
/** Addresses and networks that are remembered. A forgotten one begins anew; the bound of all joins holds still. */
const maxKeys = 16_384;

/**
 * Of the joins of an hour, and of the room for nodes that were never paid, what is kept for networks of which few come: so a
 * stranger with some networks does not shut out owners everywhere else.
 */
export const keptForFew = {
  share: 1 / 4,
  /** Few are so many of what a network may have, and never fewer than `least`. */
  ofNetwork: 1 / 100,
  least: 10,
} as const;

interface Allowance {
  joins: number;
  at: number;
}

/** What each key has left of an hour's joins. What was used comes back evenly over an hour. */
class Allowances {
  readonly #perHour: number;
  readonly #byKey = new Map<string, Allowance>();

  constructor(perHour: number) {
    this.#perHour = perHour;
  }

  /** Milliseconds until the key may join; 0: it may now. */
  waitMs(key: string, nowMs: number): number {
    const missing = 1 - this.#left(key, nowMs);
    return missing <= 0 ? 0 : Math.ceil((missing * hourMs) / this.#perHour);
  }

  /** Joins of the key that have not come back yet. */
  used(key: string, nowMs: number): number {
    return this.#perHour - this.#left(key, nowMs);
  }

  take(key: string, nowMs: number): void {
    const joins = this.#left(key, nowMs) - 1;
    // The least lately used first.
    this.#byKey.delete(key);
    const [oldest] = this.#byKey.keys();
    if (this.#byKey.size >= maxKeys && oldest !== undefined) this.#byKey.delete(oldest);
    this.#byKey.set(key, { joins, at: nowMs });
  }

  #left(key: string, nowMs: number): number {
    const known = this.#byKey.get(key);
    if (known === undefined) return this.#perHour;
    const gained = (Math.max(0, nowMs - known.at) * this.#perHour) / hourMs;
    return Math.min(this.#perHour, known.joins + gained);
  }
}

export interface JoinGateDeps {
  readonly limits: JoinLimits & { readonly maxHeapShare: number };
  /** Of the heap that the process may have, the share that is used. */
  readonly heapShare: () => number;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** Nodes that are known and were never paid, and how many there may be. */
type Unproven = Acquaintance['unproven'];
const nobody: Unproven = { size: 0, atMost: Number.POSITIVE_INFINITY };

/** Whether a node that is not known may join. Nodes that are known are neither counted nor refused. */
export class JoinGate {
  readonly #deps: JoinGateDeps;
  readonly #bounds: readonly {
    readonly allowances: Allowances;
    readonly limit: number;
    readonly setting: string;
    readonly whence: string;
    readonly keyOf: (address: string) => string;
  }[];
  /** Sessions of nodes that were never paid when they opened, by address and by network. */
  readonly #unproven = new Map<string, number>();
  readonly #all: Allowances;
  readonly #networks: Allowances;

  constructor(deps: JoinGateDeps) {
    const { addressJoinsPerHour, allJoinsPerHour, networkJoinsPerHour } = deps.limits;
    const bound = (limit: number, setting: string, whence: string, keyOf: (address: string) => string) => ({
      allowances: new Allowances(limit),
      limit,
      setting,
      whence,
      keyOf,
    });
    this.#deps = deps;
    const networks = bound(networkJoinsPerHour, 'joins.network_per_hour', ' from this network', networkOf);
    const all = bound(allJoinsPerHour, 'joins.all_per_hour', '', () => '');
    this.#networks = networks.allowances;
    this.#all = all.allowances;
    this.#bounds = [
      bound(addressJoinsPerHour, 'joins.address_per_hour', ' from this address', (address) => address),
      networks,
      all,
    ];
  }

  /** Why a newcomer from the address is refused now. Nothing is counted. */
  refusal(address: string, unproven = nobody): Refusal | undefined {
    const { limits, now } = this.#deps;
    const shortage = this.#shortage();
    if (shortage !== undefined) return shortage;
    const here = this.#unproven.get(address) ?? 0;
    if (here >= limits.addressJoinsPerHour)
      return refused(
        `${here} nodes from this address are connected for whose work nothing was paid yet.`,
        `Connect again later. The operator of the coordinator sets the bound: joins.address_per_hour (${limits.addressJoinsPerHour}).`,
      );
    for (const { allowances, keyOf, limit, setting, whence } of this.#bounds) {
      const waitMs = allowances.waitMs(keyOf(address), now());
      if (waitMs > 0)
        return refused(
          `The coordinator takes in ${limit} nodes an hour${whence} that it does not know, and these have joined.`,
          `Connect again in ${Math.ceil(waitMs / 1000)} s. The operator of the coordinator sets the bound: ${setting}.`,
        );
    }
    return this.#crowdRefusal(networkOf(address), unproven);
  }

  /** What is left is for networks of which few nodes have come. */
  #crowdRefusal(network: string, { atMost, size }: Unproven): Refusal | undefined {
    const { limits, now } = this.#deps;
    const few = Math.max(keptForFew.least, limits.networkJoinsPerHour * keptForFew.ofNetwork);
    const free = 1 - keptForFew.share;
    if (size >= atMost * free && (this.#unproven.get(network) ?? 0) >= few)
      return crowded(size, 'are known for whose work nothing was paid yet', 'rules.max_unproven_nodes');
    const used = this.#all.used('', now());
    if (used >= limits.allJoinsPerHour * free && this.#networks.used(network, now()) >= few)
      return crowded(
        Math.floor(used),
        'that were not known have joined within an hour',
        'joins.all_per_hour',
      );
    return undefined;
  }

  /** A newcomer joins, unless that is refused. */
  join(address: string, unproven = nobody): Refusal | undefined {
    const refusal = this.refusal(address, unproven);
    if (refusal !== undefined) return refusal;
    for (const { allowances, keyOf } of this.#bounds) allowances.take(keyOf(address), this.#deps.now());
    return undefined;
  }

  /** Why a node that was never paid may not offer this now: small nodes that grow together would need as much as new ones. */
  growthRefusal(
    { isProven, offer: before }: Pick<KnownNode, 'isProven' | 'offer'>,
    offer: Offer,
  ): Refusal | undefined {
    if (isProven) return undefined;
    const shortage = this.#shortage();
    if (shortage === undefined || JSON.stringify(offer).length <= JSON.stringify(before).length)
      return undefined;
    return shortage;
  }

  #shortage(): Refusal | undefined {
    const { heapShare, limits } = this.#deps;
    const share = heapShare();
    if (share < limits.maxHeapShare) return undefined;
    return refused(
      `The coordinator has used ${Math.round(100 * share)} % of its memory, and takes in no new node and no larger offer.`,
      'Connect again later. Its operator gives it more (NODE_OPTIONS=--max-old-space-size), or lowers rules.max_unproven_nodes.',
    );
  }

  /** A session opens of a node that was never paid. Gives what to call once when it ends. */
  enter(address: string): () => void {
    // Where no network is known of an address, both are one.
    const keys = new Set([address, networkOf(address)]);
    for (const key of keys) this.#unproven.set(key, (this.#unproven.get(key) ?? 0) + 1);
    return () => {
      for (const key of keys) {
        const left = (this.#unproven.get(key) ?? 1) - 1;
        if (left === 0) this.#unproven.delete(key);
        else this.#unproven.set(key, left);
      }
    };
  }
}

function crowded(nodes: number, what: string, setting: string): Refusal {
  return refused(
    `${nodes} nodes ${what}, and the rest of the room is for networks of which few nodes come.`,
    `Connect again later. The operator of the coordinator sets the bound: ${setting}.`,
  );
}

/** Known to agents of every age: they connect again after a while. */
function refused(message: string, hint: string): Refusal {
  return { code: 'service.overloaded', message, hint };
}

/** The /24 of an IPv4 address and the /48 of an IPv6 /64, as `ClientAddresses` writes them. */
export function networkOf(address: string): string {
  if (address.endsWith('::/64')) return `${address.split(':', 3).join(':')}::/48`;
  const bytes = address.split('.');
  return bytes.length === 4 ? `${bytes.slice(0, 3).join('.')}.0/24` : address;
}
