import { invariant } from '../../assert.ts';
import type { AccountCredited, AccountOpened } from '../../contract/event.ts';
import type { State } from '../../state.ts';
import { newAccount } from './record.ts';

function applyOpened({ accounts }: State, { account }: AccountOpened): void {
  invariant(!accounts.has(account), `${account} is opened twice`);
  accounts.set(account, newAccount(account));
}

/** The money has moved already: transfersOf says how. */
function applyCredited({ accounts }: State, { account, amountNano, ref }: AccountCredited): void {
  const credits = accounts.get(account)?.credits;
  invariant(credits !== undefined && !credits.has(ref), `the grant ${ref} is made twice`);
  credits.set(ref, BigInt(amountNano));
}

export const accountEvents = {
  'account.opened': applyOpened,
  'account.credited': applyCredited,
};
