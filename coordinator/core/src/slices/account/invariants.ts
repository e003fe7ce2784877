import { copyOf } from '@capacloud/protocol/capacity/capacity';
import type { AccountId } from '@capacloud/protocol/ids';
import { invariant, mustGet } from '../../assert.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import { addUse } from '../node/capacity.ts';
import type { Amounts } from './record.ts';
import { stopsLeft } from './stops-owed.ts';

export function checkAccounts(state: ReadOnly<State>): void {
  checkBalances(state);
  checkOpenHolds(state);
  checkLiveTasks(state);
  checkHeldUploads(state);
  checkUse(state);
}

function checkBalances({ accounts, house }: ReadOnly<State>): void {
  const { custody, emission, fees, holds, penalties } = house;
  let sumNano = custody + emission + fees + holds + penalties;
  for (const account of accounts.values()) {
    invariant(account.availableNano >= 0n, `${account.id} is below zero`);
    invariant(account.stopsOwed >= 0 && stopsLeft(account) >= 0, `${account.id}: attempts stopped for it`);
    sumNano += account.availableNano;
  }
  // PAY-1
  invariant(sumNano === 0n, 'the ledger does not sum to zero');
  invariant(fees >= 0n && penalties >= 0n, 'a house account is below zero');
}

function checkOpenHolds(state: ReadOnly<State>): void {
  let openNano = 0n;
  for (const { tasks, terms } of state.jobs.values())
    for (const { hold } of tasks) if (hold === 'held') openNano += terms.holdNano;
  const isCounted = state.house.holds === openNano && state.openHoldsNano === openNano;
  // HOLD-2
  invariant(isCounted, 'holds differ from the open holds');
}

function checkLiveTasks({ accounts, jobs }: ReadOnly<State>): void {
  const live = new Map<AccountId, number>();
  for (const job of jobs.values()) live.set(job.consumer, (live.get(job.consumer) ?? 0) + job.live);
  for (const { id, liveTasks } of accounts.values())
    invariant(liveTasks === (live.get(id) ?? 0), `${id}: live tasks`);
}

function checkHeldUploads({ accounts, jobs, tasks }: ReadOnly<State>): void {
  const counts = new Map<string, number>();
  for (const { held, job } of tasks.values()) {
    if (held === undefined) continue;
    const key = `${mustGet(jobs, job, 'job').consumer} ${held.cause}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const { heldUploads, id } of accounts.values())
    for (const cause of ['account', 'store'] as const)
      invariant(heldUploads[cause] === (counts.get(`${id} ${cause}`) ?? 0), `${id}: held uploads`);
}

/** What consumers use follows from what occupies nodes. */
function checkUse(state: ReadOnly<State>): void {
  const left = new Map<AccountId, Amounts>();
  for (const { id, use } of state.accounts.values()) left.set(id, { ...use, capacity: copyOf(use.capacity) });
  for (const { occupied } of state.nodes.values()) {
    for (const { alternative, isHeld, job: id } of occupied.values()) {
      if (isHeld === true) continue;
      const job = mustGet(state.jobs, id, 'job');
      addUse(mustGet(left, job.consumer, 'account'), job, alternative, -1);
    }
  }
  for (const [id, { capacity, deviceMilli }] of left)
    invariant(deviceMilli === 0 && capacity.every((amount) => amount === 0), `${id}: use`);
}
