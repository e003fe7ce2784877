import { fabricProtocol } from '@capacloud/protocol/protocol-versions';
import type { Offer } from '@capacloud/protocol/resources';

/** An offer as a session of this protocol takes it: an older coordinator would refuse what it does not know. */
export function offerFor(protocol: number, offer: Offer): Offer {
  if (protocol >= fabricProtocol) return offer;
  return { ...offer, devices: offer.devices.map(({ fabric: _fabric, ...device }) => device) };
}
