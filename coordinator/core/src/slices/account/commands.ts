import type { Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import { maxNano } from '@capacloud/protocol/units';
import type { CreditAccount, OpenAccount } from '../../contract/command.ts';
import type { Event } from '../../contract/event.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';

/** One grant at most; the catalogue states it in the hint of ledger.amount_invalid. */
const maxGrantNano = 10n ** 18n;

function decideOpenAccount(state: ReadOnly<State>, command: OpenAccount): Result<readonly Event[]> {
  if (state.accounts.has(command.account)) {
    return refuse('ledger.account_exists', `Account ${command.account} exists.`);
  }
  return accept([{ account: command.account, at: command.at, type: 'account.opened' }]);
}

/** A repeated ref with the same amount is already done; with another it is refused. */
function decideCredit(state: ReadOnly<State>, command: CreditAccount): Result<readonly Event[]> {
  const { account: id, amountNano, at, ref } = command;
  const account = state.accounts.get(id);
  if (account === undefined) return refuse('ledger.account_unknown', `Account ${id} does not exist.`);
  const earlier = account.credits.get(ref);
  if (earlier !== undefined) {
    if (earlier === amountNano) return accept([]);
    return refuse('idempotency.mismatch', `The grant ${ref} was made before, with another amount.`);
  }
  // Emission never leaves 64 bits, so no balance does: all others together are what was emitted.
  if (amountNano < 1n || amountNano > maxGrantNano || amountNano - state.house.emission > maxNano) {
    return refuse('ledger.amount_invalid', `The amount ${amountNano} cannot be granted.`);
  }
  return accept([{ account: id, amountNano: `${amountNano}`, at, ref, type: 'account.credited' }]);
}

export const accountCommands = {
  'account.open': decideOpenAccount,
  'account.credit': decideCredit,
};
