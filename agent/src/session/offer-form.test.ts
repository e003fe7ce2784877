import type { Offer } from '@capacloud/protocol/capacity/resources';
import { fabricProtocol } from '@capacloud/protocol/wire/protocol-versions';
import { expect, it } from 'vitest';
import { offerFor } from './offer-form.ts';

it('leaves out of an offer what older coordinators do not know', () => {
  const device = {
    id: 'GPU-a',
    vendor: 'nvidia',
    model: 'gb200',
    memoryBytes: 1,
    health: 'healthy',
  } as const;
  const offer = { devices: [{ ...device, fabric: 'degraded' }, device] } as unknown as Offer;
  expect(offerFor(fabricProtocol, offer)).toBe(offer);
  expect(offerFor(fabricProtocol - 1, offer).devices).toEqual([device, device]);
});
