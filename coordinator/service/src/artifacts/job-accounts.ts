import type { AccountId, JobId } from '@capacloud/protocol/ids';
import type { ReadStore } from '../ports/read-store.ts';

/** Jobs whose account is kept in memory: that of another takes a look at its row. */
const maxKept = 20_000;

/** Whose job it is. That never changes, so it is looked up once. */
export class JobAccounts {
  readonly #store: Pick<ReadStore, 'getJob'>;
  readonly #kept = new Map<JobId, AccountId>();

  constructor(store: Pick<ReadStore, 'getJob'>) {
    this.#store = store;
  }

  /** Undefined where there is no such job. */
  async of(job: JobId): Promise<AccountId | undefined> {
    const known = this.#kept.get(job);
    if (known !== undefined) return known;
    const account = (await this.#store.getJob(job))?.account;
    if (account === undefined) return undefined;
    this.#kept.set(job, account);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > maxKept && oldest !== undefined) this.#kept.delete(oldest);
    return account;
  }
}
