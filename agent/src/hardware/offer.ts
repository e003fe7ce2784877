import type { Labels } from '@capacloud/protocol/capacity/labels';
import { maxOfferedDevices } from '@capacloud/protocol/capacity/limits';
import type { Ask, Device, Offer } from '@capacloud/protocol/capacity/resources';
import type { MachineSize } from './machine.ts';

/** A fixed amount, or a share of what the machine has. */
export type Share =
  | { readonly kind: 'amount'; readonly value: number }
  | { readonly kind: 'percent'; readonly value: number };

export interface OfferTerms {
  readonly cpu: Share;
  readonly memory: Share;
  readonly disk: Share;
  /** Scratch of tasks is memory: what is sold as disk comes out of the memory. */
  readonly scratchInMemory?: boolean;
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

/** Of the owner's memory, scratch gets half at the most. */
const mostScratchShare = 2;
const defaultScratchShare = 4;

/**
 * What is sold as memory and as disk. Scratch in memory is a part of the memory that the owner gives, so that both
 * together never exceed it: a percentage of disk is one of half of it. An amount beyond that half was meant for a disk,
 * and a quarter takes its place.
 */
export function divideRoom(
  { disk, memory, scratchInMemory = false }: Pick<OfferTerms, 'disk' | 'memory' | 'scratchInMemory'>,
  size: Pick<MachineSize, 'memoryBytes' | 'diskFreeBytes'>,
): { readonly memoryBytes: number; readonly diskBytes: number } {
  const memoryBytes = resolve(memory, size.memoryBytes);
  if (!scratchInMemory) return { memoryBytes, diskBytes: resolve(disk, size.diskFreeBytes) };
  const mostBytes = Math.floor(memoryBytes / mostScratchShare);
  const isMeantForDisk = disk.kind === 'amount' && disk.value > mostBytes;
  const diskBytes = isMeantForDisk ? Math.floor(memoryBytes / defaultScratchShare) : resolve(disk, mostBytes);
  return { memoryBytes: memoryBytes - diskBytes, diskBytes };
}

/** Scratch in memory takes memory away from other tasks, so it costs no less than that. */
function askFor(ask: Ask, scratchInMemory: boolean): Ask {
  const isCheaper = BigInt(ask.diskGibHourNano) < BigInt(ask.memoryGibHourNano);
  return scratchInMemory && isCheaper ? { ...ask, diskGibHourNano: ask.memoryGibHourNano } : ask;
}

export function makeOffer(terms: OfferTerms, size: MachineSize, devices: readonly Device[]): Offer {
  const { region, labels = {}, interruptibleDiscountPercent } = terms;
  const cpuMilli = Math.min(4_096_000, resolve(terms.cpu, size.threads * 1000));
  return {
    cpuMilli,
    ...divideRoom(terms, size),
    slots: Math.min(1024, terms.slots ?? Math.max(1, Math.ceil(cpuMilli / 1000))),
    devices: devices
      .slice(0, maxOfferedDevices)
      .map((device) => (terms.shareDevices ? { ...device, shareable: true } : device)),
    arch: size.arch,
    allowRoot: terms.allowRoot,
    ...(terms.minRunMs === undefined ? {} : { minRunMs: terms.minRunMs }),
    ask: askFor(terms.ask, terms.scratchInMemory === true),
    ...(interruptibleDiscountPercent === undefined ? {} : { interruptibleDiscountPercent }),
    ...(region === undefined ? {} : { region }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
  };
}
