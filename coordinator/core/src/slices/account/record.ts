import { type MutableCapacity, noCapacity } from '@capacloud/protocol/capacity/capacity';
import type { AccountId } from '@capacloud/protocol/ids';
import type { HoldCause } from '../../contract/event.ts';

/** What one consumer uses, or what all nodes offer. */
export interface Amounts {
  readonly capacity: MutableCapacity;
  /** Thousandths of devices. */
  deviceMilli: number;
}

/** What the log means for an account, as it is written to snapshots. */
export interface AccountTruth {
  readonly id: AccountId;
  availableNano: bigint;
  /** Grants by their ref, so that each happens once. */
  readonly credits: Map<string, bigint>;
  /** Attempts of others that were stopped for its tasks, less its successes since. */
  stopsOwed: number;
}

/** What else is known of it is derived. */
export interface Account extends AccountTruth {
  /** Tasks of its jobs that have not ended. */
  liveTasks: number;
  /** What attempts of its jobs take of nodes. */
  readonly use: Amounts;
  /** Attempts of its jobs whose outputs have no room now, by whose room is used up. */
  readonly heldUploads: Record<HoldCause, number>;
}

/** The balances that belong to nobody. Emission and custody may be negative; the others may not. */
export interface HouseBalances {
  holds: bigint;
  fees: bigint;
  emission: bigint;
  penalties: bigint;
  custody: bigint;
}

export function newAccount(id: Account['id']): Account {
  const use = { capacity: noCapacity(), deviceMilli: 0 };
  const heldUploads = { account: 0, store: 0 };
  return { id, availableNano: 0n, liveTasks: 0, heldUploads, stopsOwed: 0, use, credits: new Map() };
}
