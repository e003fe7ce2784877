import type { Labels } from '@capacloud/protocol/capacity/labels';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import { offerFault } from '@capacloud/protocol/wire/offer-size';
import type { Logger } from 'pino';

/** What reasons of devices are cut to, in this order, until the offer is small enough. */
const reasonLengths = [80, 24, 0];

interface FittedOffer {
  readonly offer: Offer;
  /** Keys of labels that found no room. */
  readonly droppedLabels: readonly string[];
}

/**
 * The offer within the bounds of the coordinator. Reasons of devices are shortened first, because they are for people alone;
 * then labels go, the last in the alphabet first. Devices always stay: they are what is sold.
 */
export function fitOffer(offer: Offer): FittedOffer {
  let fitted = offer;
  for (const length of reasonLengths) {
    if (offerFault(fitted) === undefined) return { offer: fitted, droppedLabels: [] };
    fitted = { ...offer, devices: offer.devices.map((device) => withReason(device, length)) };
  }
  const keys = Object.keys(offer.labels ?? {}).sort();
  let kept = keys.length;
  while (kept > 0 && offerFault(fitted) !== undefined) {
    kept -= 1;
    fitted = withLabels(fitted, offer.labels ?? {}, keys.slice(0, kept));
  }
  return { offer: fitted, droppedLabels: keys.slice(kept) };
}

/** Fits each offer that is made, and says once which labels are left out. */
export function fitOffers(log: Pick<Logger, 'warn'>, make: () => Offer): () => Offer {
  let told = '';
  return () => {
    const { droppedLabels: labels, offer } = fitOffer(make());
    const news = labels.join();
    if (news !== told && news !== '')
      log.warn({ labels }, 'labels are left out of the offer, which would be too large for the coordinator');
    told = news;
    return offer;
  };
}

function withReason(
  { reason, ...device }: Offer['devices'][number],
  length: number,
): Offer['devices'][number] {
  return reason === undefined || length === 0 ? device : { ...device, reason: reason.slice(0, length) };
}

function withLabels({ labels: _all, ...offer }: Offer, labels: Labels, keys: readonly string[]): Offer {
  if (keys.length === 0) return offer;
  return { ...offer, labels: Object.fromEntries(keys.map((key) => [key, labels[key] ?? ''])) };
}
