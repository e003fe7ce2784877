import { broken, mustGet } from '../../assert.ts';
import type { AttemptEnded } from '../../contract/event.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import type { Account } from './record.ts';

/**
 * Attempts of others that are stopped for one account without a success of its own. Tasks that fail or are cancelled cost their
 * consumer nothing, and those that were stopped lost their work, so this bounds what a consumer can destroy for free.
 */
export const maxStopsOwed = 64;

/** How many more attempts may be stopped for the account. */
export function stopsLeft({ stopsOwed }: Pick<ReadOnly<Account>, 'stopsOwed'>): number {
  return maxStopsOwed - stopsOwed;
}

/** An attempt of somebody has ended, maybe for a task of another account. */
export function noteStop({ accounts }: State, { preemptedFor, task }: AttemptEnded): void {
  if (preemptedFor === undefined) return;
  const account = mustGet(accounts, preemptedFor, 'account');
  // PREEMPT-2
  if (stopsLeft(account) <= 0) broken(`${task} is stopped for ${preemptedFor}, for which too many were`);
  account.stopsOwed += 1;
}

/** A task of the account has succeeded. */
export function repayStop(account: Account): void {
  if (account.stopsOwed > 0) account.stopsOwed -= 1;
}
