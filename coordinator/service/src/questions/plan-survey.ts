import type { JobTerms } from '@capacloud/core/contract/command';
import { Explanation } from '@capacloud/core/explain/explanation';
import { type OfferGroup, OfferGroups, OfferShortlist } from '@capacloud/core/explain/market/offer-groups';
import { RoomTimes } from '@capacloud/core/explain/market/room-times';
import type { Live } from './answering-core.ts';
import { Turns } from './turns.ts';

/** To consider a group of nodes costs much less than to look at a node. */
const groupWork = 0.1;

export interface Survey {
  readonly explanation: Explanation;
  readonly times: RoomTimes;
  /** The best of them, in order. */
  readonly ranked: readonly OfferGroup[];
  readonly offers: number;
  readonly tasksNow: number;
  readonly tasksWhole: number;
}

/** Looks at every node and at what runs there, for people and not for the hot path. */
export async function surveyNodes(
  { notes, state }: Live,
  terms: JobTerms,
  at: number,
  signal: AbortSignal,
): Promise<Survey> {
  const explanation = new Explanation(terms, notes.keepings);
  const groups = new OfferGroups(state, notes, terms);
  const times = new RoomTimes(state, terms, at);
  const turns = new Turns(signal);
  let tasksNow = 0;
  let tasksWhole = 0;
  for (const node of state.nodes.values()) {
    explanation.look(node);
    const room = groups.look(node);
    if (room !== undefined) {
      times.look(node, room);
      tasksNow += room.roomNow;
      tasksWhole += room.roomWhole;
    }
    await turns.did(1 + (room === undefined ? 0 : node.occupied.size));
  }
  const shortlist = new OfferShortlist();
  for (const group of groups.values()) {
    shortlist.consider(group);
    await turns.did(groupWork);
  }
  const ranked = groups.rank(shortlist);
  return { explanation, times, ranked, offers: groups.size, tasksNow, tasksWhole };
}
