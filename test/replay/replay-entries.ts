import { checkInvariants } from '@capacloud/core/invariants';
import { apply } from '@capacloud/core/machine';
import { stateHash } from '@capacloud/core/snapshot';
import { createState, type State } from '@capacloud/core/state';
import { encodeHex, encodeUtf8 } from '@capacloud/protocol/log/bytes';
import { leafHash } from '@capacloud/protocol/log/merkle';
import { MerkleFrontier } from '@capacloud/protocol/log/merkle-frontier';
import { parseEntries } from './eventful-life.ts';

export interface Replayed {
  readonly state: State;
  readonly size: number;
  /** Of the Merkle tree over the entries, hexadecimal. */
  readonly root: string;
  readonly hash: string;
}

/** Replays a log from empty, as an auditor would who has nothing but its entries. */
export function replayEntries(entries: readonly string[]): Replayed {
  const state = createState();
  const frontier = new MerkleFrontier();
  for (const entry of entries) frontier.append(leafHash(encodeUtf8(entry)));
  for (const event of parseEntries(entries)) apply(state, event);
  checkInvariants(state);
  return { state, size: entries.length, root: encodeHex(frontier.root()), hash: stateHash(state) };
}
