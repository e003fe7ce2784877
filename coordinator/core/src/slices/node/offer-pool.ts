import type { Offer } from '@capacloud/protocol/capacity/resources';
import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { hash32 } from '../../hash32.ts';

/** As far as the ids of the first devices, by which machines of one kind differ. */
const hashedLength = 2048;

interface Pooled {
  readonly offer: Offer;
  uses: number;
}

/**
 * The offers of all nodes, equal ones once. They are frozen, because several nodes may share one. Two that differ and have
 * one key are not shared: whoever makes such offers on purpose gains nothing.
 */
export class OfferPool {
  readonly #byKey = new Map<string, Pooled>();
  readonly #keys = new WeakMap<Offer, string>();

  get size(): number {
    return this.#byKey.size;
  }

  take(offer: Offer): Offer {
    const text = canonicalJson(offer);
    const key = `${text.length} ${hash32(text.slice(0, hashedLength))}`;
    const known = this.#byKey.get(key);
    if (known === undefined) {
      const pooled = { offer: freeze(offer), uses: 1 };
      this.#byKey.set(key, pooled);
      this.#keys.set(offer, key);
      return pooled.offer;
    }
    if (known.offer !== offer && canonicalJson(known.offer) !== text) return freeze(offer);
    known.uses += 1;
    return known.offer;
  }

  /** A node has it no more. */
  give(offer: Offer): void {
    const key = this.#keys.get(offer);
    const pooled = key === undefined ? undefined : this.#byKey.get(key);
    if (key === undefined || pooled?.offer !== offer) return;
    pooled.uses -= 1;
    if (pooled.uses > 0) return;
    this.#byKey.delete(key);
    this.#keys.delete(offer);
  }
}

function freeze(offer: Offer): Offer {
  for (const device of offer.devices) Object.freeze(device);
  Object.freeze(offer.devices);
  Object.freeze(offer.ask);
  if (offer.labels !== undefined) Object.freeze(offer.labels);
  return Object.freeze(offer);
}
