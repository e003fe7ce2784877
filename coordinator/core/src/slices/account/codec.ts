import type { AccountId } from '@capacloud/protocol/ids';
import { mustGet } from '../../assert.ts';
import { amount, type Fields, type JsonRecord, type Kind, nested, plain, unless } from '../../codec/kinds.ts';
import { RecordCodec } from '../../codec/record-codec.ts';
import { CapturedRecords, type Section } from '../../codec/section.ts';
import type { AttemptEnded, Event } from '../../contract/event.ts';
import type { State } from '../../state.ts';
import { type AccountTruth, newAccount } from './record.ts';
import { transfersOf } from './transfers.ts';

const credits: Kind<AccountTruth['credits']> = {
  text: (grants) => Array.from(grants, ([ref, amountNano]) => [ref, `${amountNano}`]),
  value: (text) =>
    new Map((text as readonly (readonly [string, string])[]).map(([ref, nano]) => [ref, BigInt(nano)])),
  copy: (grants) => new Map(grants),
};

const accountCodec = new RecordCodec<AccountTruth>({
  id: plain(),
  availableNano: amount,
  credits,
  stopsOwed: unless(0),
});

export const accountFields: Fields<Pick<State, 'house'>> = {
  house: nested({ custody: amount, emission: amount, fees: amount, holds: amount, penalties: amount }),
};

export function restoreAccounts(state: State, texts: readonly JsonRecord[]): void {
  for (const text of texts) {
    const truth = accountCodec.read(text);
    state.accounts.set(truth.id, Object.assign(newAccount(truth.id), truth));
  }
}

export class AccountSection implements Section {
  readonly key = 'accounts';
  readonly #state: State;
  readonly #records: CapturedRecords<AccountTruth>;

  constructor(state: State) {
    this.#state = state;
    // No account goes away, and new ones come after those that are there.
    this.#records = new CapturedRecords(accountCodec, first(state.accounts.values(), state.accounts.size));
  }

  keep(event: Event): void {
    if (event.type === 'attempt.ended') this.#keepOwing(event);
    // Those of the house are among the balances, and no id is theirs.
    for (const { entries } of transfersOf(this.#state, event))
      for (const { account } of entries) this.#records.keep(this.#state.accounts.get(account as AccountId));
  }

  /** What two accounts owe may change. */
  #keepOwing({ preemptedFor, task, then }: AttemptEnded): void {
    const { accounts, jobs, tasks } = this.#state;
    if (preemptedFor !== undefined) this.#records.keep(accounts.get(preemptedFor));
    const job = jobs.get(mustGet(tasks, task, 'task').job);
    if (job !== undefined && then.kind === 'succeeded') this.#records.keep(accounts.get(job.consumer));
  }

  pieces: Section['pieces'] = (layout) => this.#records.pieces(layout);
}

function* first<T>(items: Iterable<T>, count: number): Generator<T, void, undefined> {
  let taken = 0;
  for (const item of items) {
    if (taken === count) return;
    taken += 1;
    yield item;
  }
}
