import type { Offer } from '@capacloud/protocol/capacity/resources';
import { fabricProtocol } from '@capacloud/protocol/wire/protocol-versions';

/** An offer as a session of this protocol takes it: an older coordinator would refuse what it does not know. */
export function offerFor(protocol: number, offer: Offer): Offer {
  if (protocol >= fabricProtocol) return offer;
  return { ...offer, devices: offer.devices.map(({ fabric: _fabric, ...device }) => device) };
}
