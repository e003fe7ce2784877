import type { State } from '@capacloud/core/state';
import { numberedAccount } from './numbered-ids.ts';
import type { NodeGroup } from './scenario/scenario.ts';

/** Balances at one moment, out of the ledger of the state. Providers begin with nothing and spend nothing. */
export interface LedgerReading {
  readonly feesNano: bigint;
  /** In the order of the groups of nodes. */
  readonly earnedNano: readonly bigint[];
}

export function readLedger(state: State, groups: readonly NodeGroup[]): LedgerReading {
  const earnedNano = groups.map(({ providers }, index) => {
    let sumNano = 0n;
    for (let n = 0; n < providers; n++)
      sumNano += state.accounts.get(numberedAccount('provider', index, n))?.availableNano ?? 0n;
    return sumNano;
  });
  return { feesNano: state.house.fees, earnedNano };
}
