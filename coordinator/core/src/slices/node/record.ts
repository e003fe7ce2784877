import { noCapacity } from '@capacloud/protocol/capacity/capacity';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { NodeId } from '@capacloud/protocol/ids';
import type { NodeRecord, Standing, State } from '../../state.ts';

/** Between node.joined and the node.offered that follows it. */
export const emptyOffer: Offer = {
  allowRoot: false,
  arch: 'none',
  ask: { cpuHourNano: '0', deviceHourNano: '0', diskGibHourNano: '0', memoryGibHourNano: '0' },
  cpuMilli: 0,
  devices: [],
  diskBytes: 0,
  memoryBytes: 0,
  slots: 1,
};

export function newNode(id: NodeId, provider: NodeRecord['provider'], at: number): NodeRecord {
  return {
    id,
    provider,
    status: 'joining',
    statusSince: at,
    cause: 'connected',
    directive: 'none',
    offer: emptyOffer,
    accepting: false,
    heardAt: at,
    occupied: new Map(),
    isProven: false,
    standing: newStanding(),
    isResting: false,
    isIsolated: false,
    tries: 1,
    free: noCapacity(),
    deviceUse: new Map(),
    load: 1,
    askClass: undefined,
    row: -1,
    dueAt: 0,
    bucket: undefined,
    clockPrev: undefined,
    clockNext: undefined,
  };
}

export function newStanding(): Standing {
  return { endings: 0, lastGood: 0, failures: [], silences: [], held: [], restUntil: 0 };
}

export function changeOffer({ offers }: State, node: NodeRecord, offer: Offer): void {
  const before = node.offer;
  node.offer = offers.take(offer);
  offers.give(before);
}
