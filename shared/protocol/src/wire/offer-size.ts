import type { Device, Offer } from '../capacity/resources.ts';
import { encodeUtf8 } from '../log/bytes.ts';
import { canonicalJson } from '../log/canonical.ts';

/** Bounds of one offer. Each is kept in memory as long as its node, and in the log for ever. */
export const offerLimits = {
  /** As canonical JSON in which devices of one description count it once. So 64 GPUs of one machine fit. */
  describedBytes: 8 * 2 ** 10,
  /** As canonical JSON, which is how the log holds it. */
  writtenBytes: 16 * 2 ** 10,
  /** Descriptions of devices that differ in more than id and reason: the scheduler looks at each of the whole network. */
  deviceKinds: 16,
} as const;

export interface OfferSize {
  readonly describedBytes: number;
  readonly writtenBytes: number;
  readonly deviceKinds: number;
}

export function offerSize(offer: Offer): OfferSize {
  const writtenBytes = byteLength(canonicalJson(offer));
  if (offer.devices.length <= 1)
    return { describedBytes: writtenBytes, writtenBytes, deviceKinds: offer.devices.length };
  const descriptions = new Set<string>();
  let repeatedBytes = 0;
  for (const device of offer.devices) {
    const description = canonicalJson(describe(device));
    if (descriptions.has(description)) repeatedBytes += byteLength(description) - emptyObjectBytes;
    else descriptions.add(description);
  }
  return { describedBytes: writtenBytes - repeatedBytes, writtenBytes, deviceKinds: descriptions.size };
}

/** Undefined for an offer within the bounds; otherwise what is too large. */
export function offerFault(offer: Offer): string | undefined {
  const { describedBytes, writtenBytes, deviceKinds } = offerSize(offer);
  if (deviceKinds > offerLimits.deviceKinds)
    return `The offer has ${deviceKinds} kinds of devices; at most ${offerLimits.deviceKinds} are taken.`;
  if (describedBytes > offerLimits.describedBytes)
    return `The offer has ${describedBytes} bytes, where equal devices count once; at most ${offerLimits.describedBytes} are taken.`;
  if (writtenBytes > offerLimits.writtenBytes)
    return `The offer has ${writtenBytes} bytes; at most ${offerLimits.writtenBytes} are taken.`;
  return undefined;
}

export const offerHint = 'Use fewer or shorter labels, and shorter reasons and models of devices.';

const emptyObjectBytes = 2;

/** What devices of one kind have in common. The reason is a text of its own for each. */
function describe({ id: _id, reason: _reason, ...description }: Device): Omit<Device, 'id' | 'reason'> {
  return description;
}

function byteLength(text: string): number {
  return encodeUtf8(text).length;
}
