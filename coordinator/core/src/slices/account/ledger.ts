import type { AccountId } from '@capacloud/protocol/ids';
import { broken, invariant, mustGet } from '../../assert.ts';
import type { State } from '../../state.ts';
import type { Task } from '../attempt/record.ts';
import type { Job } from '../job/record.ts';
import { canSpend, type HoldState } from './hold-states.ts';
import type { HouseBalances } from './record.ts';
import type { LedgerAccount, Transfer } from './transfers.ts';

function isHouse(account: LedgerAccount): account is keyof HouseBalances {
  return (
    account === 'holds' ||
    account === 'fees' ||
    account === 'emission' ||
    account === 'penalties' ||
    account === 'custody'
  );
}

/** Moves the money. Every transfer sums to zero, and only emission and custody may be below it. */
export function applyTransfers(state: State, transfers: readonly Transfer[]): void {
  for (const { entries, kind } of transfers) {
    let sumNano = 0n;
    for (const { account, deltaNano } of entries) {
      sumNano += deltaNano;
      if (isHouse(account)) moveHouse(state.house, account, deltaNano);
      else moveAccount(state, account, deltaNano);
    }
    // PAY-1
    if (sumNano !== 0n) broken(`a ${kind} does not sum to zero`);
  }
}

function moveHouse(house: HouseBalances, account: keyof HouseBalances, deltaNano: bigint): void {
  const balance = house[account] + deltaNano;
  // PAY-1
  if (balance < 0n && account !== 'emission' && account !== 'custody') broken(`${account} below zero`);
  house[account] = balance;
}

function moveAccount(state: State, id: AccountId, deltaNano: bigint): void {
  const account = mustGet(state.accounts, id, 'account');
  account.availableNano += deltaNano;
  // PAY-1
  if (account.availableNano < 0n) broken(`${id} below zero`);
}

/** The hold of a task ends, once and for all: here a second capture of one task would be caught. */
export function spendHold(state: State, job: Job, task: Task, to: HoldState): void {
  // HOLD-1
  if (!canSpend(task.hold, to)) broken(`${task.id}: its hold is ${task.hold} and cannot be ${to}`);
  task.hold = to;
  state.openHoldsNano -= job.terms.holdNano;
}

/** After each event that moves money. */
export function assertHolds(state: State): void {
  // HOLD-2
  invariant(state.openHoldsNano === state.house.holds, 'the holds account differs from the open holds');
}
