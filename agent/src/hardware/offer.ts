import type { Labels } from '@capacloud/protocol/labels';
import type { Ask, Device, Offer } from '@capacloud/protocol/resources';
import type { MachineSize } from './machine.ts';

/** A fixed amount, or a share of what the machine has. */
export type Share =
  | { readonly kind: 'amount'; readonly value: number }
  | { readonly kind: 'percent'; readonly value: number };

export interface OfferTerms {
  readonly cpu: Share;
  readonly memory: Share;
  readonly disk: Share;
  readonly slots?: number | undefined;
  readonly allowRoot: boolean;
  readonly shareDevices: boolean;
  readonly ask: Ask;
  readonly region?: string | undefined;
  readonly labels?: Labels | undefined;
  readonly minRunMs?: number | undefined;
  readonly interruptibleDiscountPercent?: number | undefined;
}

/** Never more than there is. A share of the disk is of what was free, because the rest is the owner's. */
function resolve(share: Share, total: number): number {
  const wanted = share.kind === 'amount' ? share.value : Math.floor((total * share.value) / 100);
  return Math.min(wanted, total);
}

export function makeOffer(terms: OfferTerms, size: MachineSize, devices: readonly Device[]): Offer {
  const { region, labels = {}, interruptibleDiscountPercent } = terms;
  const cpuMilli = Math.min(4_096_000, resolve(terms.cpu, size.threads * 1000));
  return {
    cpuMilli,
    memoryBytes: resolve(terms.memory, size.memoryBytes),
    diskBytes: resolve(terms.disk, size.diskFreeBytes),
    slots: Math.min(1024, terms.slots ?? Math.max(1, Math.ceil(cpuMilli / 1000))),
    devices: devices
      .slice(0, 64)
      .map((device) => (terms.shareDevices ? { ...device, shareable: true } : device)),
    arch: size.arch,
    allowRoot: terms.allowRoot,
    ...(terms.minRunMs === undefined ? {} : { minRunMs: terms.minRunMs }),
    ask: terms.ask,
    ...(interruptibleDiscountPercent === undefined ? {} : { interruptibleDiscountPercent }),
    ...(region === undefined ? {} : { region }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
  };
}
