/** What takes a place: a connection of a client, at a stage where it has not paid for its room yet. */
export interface Place {
  /** What it counts by; undefined where no address has a bound, as with a trusted proxy. */
  readonly address: string | undefined;
  /** Somebody whom we know spoke from its address before. */
  readonly isKnown: boolean;
}

export interface PlaceBounds {
  readonly total: number;
  readonly perAddress: number;
  /** Of all, so many idle ones of known addresses are safe from strangers. */
  readonly known: number;
}

interface AtAddress<P> {
  readonly all: Set<P>;
  readonly idle: Set<P>;
}

/**
 * Places that are bounded in all and by address. Where a bound is reached, the place that has been idle for longest makes
 * room, at the newcomer's own address or among strangers: an honest client goes on within a round trip, and a stranger may
 * wait as long as it likes. Nothing is evicted while it is held.
 */
export class Places<P extends Place> {
  readonly #bounds: PlaceBounds;
  readonly #onEvicted: (place: P) => void;
  readonly #all = new Set<P>();
  /** The ones idle for longest first. */
  readonly #idle = { known: new Set<P>(), strange: new Set<P>() };
  readonly #byAddress = new Map<string, AtAddress<P>>();

  /** `onEvicted` is told of each place that was taken for another and is free already. */
  constructor(bounds: PlaceBounds, onEvicted: (place: P) => void) {
    this.#bounds = bounds;
    this.#onEvicted = onEvicted;
  }

  get total(): number {
    return this.#all.size;
  }

  /** Takes a place, which is idle at first, and makes room for it. False: every place that could make room is held. */
  enter(place: P): boolean {
    const { total, perAddress } = this.#bounds;
    const here = this.#at(place);
    if (here !== undefined && here.all.size >= perAddress && !this.#evict(first(here.idle))) return false;
    if (this.#all.size >= total && !this.#evict(this.#leastWanted(place.isKnown))) return false;
    this.#all.add(place);
    if (place.address !== undefined) {
      // Looked up again: the last one of the address may just have been evicted.
      const at = this.#at(place) ?? { all: new Set<P>(), idle: new Set<P>() };
      at.all.add(place);
      this.#byAddress.set(place.address, at);
    }
    this.rest(place);
    return true;
  }

  /** From now on nobody takes it. */
  hold(place: P): void {
    this.#idle[place.isKnown ? 'known' : 'strange'].delete(place);
    this.#at(place)?.idle.delete(place);
  }

  /** From now on it is idle, and for the shortest time of all. */
  rest(place: P): void {
    if (!this.#all.has(place)) return;
    this.hold(place);
    this.#idle[place.isKnown ? 'known' : 'strange'].add(place);
    const at = this.#at(place);
    if (at?.all.has(place) === true) at.idle.add(place);
  }

  /** From now on it is held and counts in all alone, because what it is now has bounds of its own. */
  promote(place: P): void {
    this.hold(place);
    this.#leaveAddress(place);
  }

  /** May be called more than once. */
  leave(place: P): void {
    this.hold(place);
    this.#leaveAddress(place);
    this.#all.delete(place);
  }

  /** Strangers before known addresses, which strangers push out only beyond the room that is kept for them. */
  #leastWanted(forKnown: boolean): P | undefined {
    const { known, strange } = this.#idle;
    const mayPush = forKnown || known.size > this.#bounds.known;
    return first(strange) ?? (mayPush ? first(known) : undefined);
  }

  #evict(place: P | undefined): boolean {
    if (place === undefined) return false;
    this.leave(place);
    this.#onEvicted(place);
    return true;
  }

  #at({ address }: P): AtAddress<P> | undefined {
    return address === undefined ? undefined : this.#byAddress.get(address);
  }

  #leaveAddress(place: P): void {
    const at = this.#at(place);
    at?.all.delete(place);
    if (at?.all.size === 0 && place.address !== undefined) this.#byAddress.delete(place.address);
  }
}

function first<P>(places: ReadonlySet<P>): P | undefined {
  for (const place of places) return place;
  return undefined;
}
