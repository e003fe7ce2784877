import type { NodeRecord } from '@capacloud/core/state';
import type { Offer } from '@capacloud/protocol/resources';
import type { Refusal } from '@capacloud/protocol/result';
import type { JoinLimits } from '../join-limits.ts';

const hourMs = 3_600_000;
/** Addresses and networks that are remembered. A forgotten one begins anew; the bound of all joins holds still. */
const maxKeys = 16_384;

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
  /** Sessions of nodes that were never paid when they opened, by address. */
  readonly #unproven = new Map<string, number>();

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
    this.#bounds = [
      bound(addressJoinsPerHour, 'joins.address_per_hour', ' from this address', (address) => address),
      bound(networkJoinsPerHour, 'joins.network_per_hour', ' from this network', networkOf),
      bound(allJoinsPerHour, 'joins.all_per_hour', '', () => ''),
    ];
  }

  /** Why a newcomer from the address is refused now. Nothing is counted. */
  refusal(address: string): Refusal | undefined {
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
    return undefined;
  }

  /** A newcomer joins, unless that is refused. */
  join(address: string): Refusal | undefined {
    const refusal = this.refusal(address);
    if (refusal !== undefined) return refusal;
    for (const { allowances, keyOf } of this.#bounds) allowances.take(keyOf(address), this.#deps.now());
    return undefined;
  }

  /** Why a node that was never paid may not offer this now: small nodes that grow together would need as much as new ones. */
  growthRefusal({ isProven, offer: before }: NodeRecord, offer: Offer): Refusal | undefined {
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
    this.#unproven.set(address, (this.#unproven.get(address) ?? 0) + 1);
    return () => {
      const left = (this.#unproven.get(address) ?? 1) - 1;
      if (left === 0) this.#unproven.delete(address);
      else this.#unproven.set(address, left);
    };
  }
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
