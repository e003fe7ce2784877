import type { LedgerAccount, Transfer } from '@capacloud/core/slices/account/transfers';
import type { AccountId } from '@capacloud/protocol/ids';
import { transferKindCodes } from './codes.ts';
import type { LiveJobEntry } from './live-jobs.ts';
import { nothing, type RowBuffers } from './row-buffer.ts';

/** What the tables hold of an account; the number is its key in every other table. */
export interface AccountEntry {
  readonly num: number;
  readonly id: LedgerAccount;
  availableNano: bigint;
  heldNano: bigint;
  /** Index of the event of its newest ledger entry. */
  lastEntry: number | undefined;
}

/** Balances and ledger entries as the tables show them. */
export class AccountBook {
  readonly #accounts = new Map<string, AccountEntry>();
  readonly #changed = new Set<AccountEntry>();
  readonly #buffers: RowBuffers;

  constructor(accounts: readonly AccountEntry[], buffers: RowBuffers) {
    for (const account of accounts) this.#accounts.set(account.id, { ...account });
    this.#buffers = buffers;
  }

  /** Opens the account where it is new. */
  numOf(id: LedgerAccount): number {
    return this.#entry(id).num;
  }

  /** `job` is that of the transfer, with its consumer; `task` the index, NaN where there is none. */
  book(
    transfer: Transfer,
    index: number,
    job: { readonly entry: LiveJobEntry; readonly consumer: AccountId } | undefined,
    task: number,
  ): void {
    const kind = transferKindCodes.codeOf(transfer.kind);
    for (const { account, deltaNano } of transfer.entries) {
      const entry = this.#entry(account);
      entry.availableNano += deltaNano;
      this.#changed.add(entry);
      this.#buffers.ledgerEntries.add(
        [index, entry.num, entry.lastEntry ?? nothing, kind, transfer.at, job?.entry.num ?? nothing, task],
        [deltaNano],
      );
      entry.lastEntry = index;
      if (account === 'holds' && job !== undefined) {
        const consumer = this.#entry(job.consumer);
        consumer.heldNano += deltaNano;
        this.#changed.add(consumer);
        job.entry.heldNano += deltaNano;
      }
    }
  }

  write(): void {
    for (const { num, id, availableNano, heldNano, lastEntry } of this.#changed)
      this.#buffers.accounts.add([num, lastEntry ?? nothing], [availableNano, heldNano], [id]);
    this.#changed.clear();
  }

  #entry(id: LedgerAccount): AccountEntry {
    let entry = this.#accounts.get(id);
    if (entry === undefined) {
      entry = { num: this.#accounts.size + 1, id, availableNano: 0n, heldNano: 0n, lastEntry: undefined };
      this.#accounts.set(id, entry);
      this.#changed.add(entry);
    }
    return entry;
  }
}
