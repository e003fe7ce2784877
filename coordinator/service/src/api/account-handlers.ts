import { type AccountId, isAccountId } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { StorageView } from '@capacloud/protocol/routes/storage-view';
import type { AccountView } from '@capacloud/protocol/routes/views';
import { parseNano } from '@capacloud/protocol/units';
import { nativeSha256Hex } from '../native-sha256.ts';
import type { StorageUse } from '../ports/owned-artifacts.ts';
import type { AccountRow, SystemAccount } from '../ports/read-store.ts';
import { type KeyCaller, reaches } from './caller.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Call, Handlers } from './handler.ts';
import type { AsideOf, Idempotency } from './idempotency.ts';
import { pageOfRows } from './pages.ts';
import { accountView, ledgerEntryView } from './views.ts';

const systemAccounts: readonly string[] = [
  'holds',
  'fees',
  'emission',
  'penalties',
  'custody',
] satisfies SystemAccount[];
const maxCreditNano = 10n ** 18n;

export function accountHandlers(
  deps: ApiDependencies,
  idempotency: Idempotency,
): Handlers<
  'getOwnAccount' | 'listAccounts' | 'createAccount' | 'getAccount' | 'listEntries' | 'creditAccount'
> {
  const { store } = deps;
  return {
    getOwnAccount: async ({ caller }) => {
      const row = await store.getAccount(caller.account);
      // A key may be older than the first movement of its account.
      const known = row ?? { id: caller.account, availableNano: 0n, heldNano: 0n };
      const storage = storageView(await deps.owned.use(caller.account));
      return accept({ ...accountView(known), scopes: [...caller.scopes], storage });
    },
    listAccounts: ({ query }) => pageOfRows(query, (page) => store.listAccounts(page), accountView),
    createAccount: async (call) => {
      const answer = await idempotency.once(call.idempotent, 201, (asideOf) =>
        open(deps, call.body.id, call.at, asideOf),
      );
      return answered(answer, call);
    },
    getAccount: async ({ caller, params }) => {
      const row = await findAccount(deps, caller, params.account);
      return row.ok ? accept(accountView(row.value)) : row;
    },
    listEntries: async ({ caller, params, query }) => {
      const row = await findAccount(deps, caller, params.account);
      if (!row.ok) return row;
      return pageOfRows(query, (page) => store.listLedgerEntries(row.value.id, page), ledgerEntryView);
    },
    creditAccount: async (call) => {
      const { account } = call.params;
      const amountNano = parseNano(call.body.amount_nano);
      if (!isAccountId(account)) return refuse('ledger.account_unknown', `There is no account ${account}.`);
      if (amountNano === undefined || amountNano < 1n || amountNano > maxCreditNano)
        return refuse('ledger.amount_invalid', 'The amount is not between 1 and 10^18 nano-CAPA.');
      const answer = await idempotency.once(call.idempotent, 201, (asideOf) =>
        credit(
          deps,
          {
            account,
            amountNano,
            at: call.at,
            ref: nativeSha256Hex(`${call.idempotent.account} ${call.idempotent.key}`),
          },
          asideOf,
        ),
      );
      return answered(answer, call);
    },
  };
}

function storageView({ artifacts, logs, quotaBytes, rows, usedBytes }: StorageUse): StorageView {
  return {
    used_bytes: usedBytes,
    quota_bytes: quotaBytes,
    artifacts_bytes: artifacts,
    logs_bytes: logs,
    jobs_bytes: rows.jobs,
    receipts_bytes: rows.receipts,
    answers_bytes: rows.answers,
  };
}

function answered(
  answer: Result<{ readonly body: string; readonly replayed: boolean }>,
  call: Pick<Call<'createAccount'>, 'setHeader'>,
): Result<AccountView> {
  if (!answer.ok) return answer;
  if (answer.value.replayed) call.setHeader('idempotency-replayed', 'true');
  return accept(JSON.parse(answer.value.body) as AccountView);
}

async function open(
  deps: ApiDependencies,
  account: AccountId,
  at: number,
  asideOf: AsideOf,
): Promise<Result<string>> {
  const body = JSON.stringify(accountView({ id: account, availableNano: 0n, heldNano: 0n }));
  const outcome = await deps.submitter.submit({ type: 'account.open', at, account }, () => [asideOf(body)]);
  return outcome.ok ? accept(body) : outcome;
}

async function credit(
  deps: ApiDependencies,
  grant: {
    readonly account: AccountId;
    readonly amountNano: bigint;
    readonly at: number;
    readonly ref: string;
  },
  asideOf: AsideOf,
): Promise<Result<string>> {
  const heldNano = (await deps.store.getAccount(grant.account))?.heldNano ?? 0n;
  let body = '';
  const outcome = await deps.submitter.submit({ type: 'account.credit', ...grant }, (_, after) => {
    const availableNano = after.balanceOf(grant.account);
    body = JSON.stringify(accountView({ id: grant.account, availableNano, heldNano }));
    return [asideOf(body)];
  });
  return outcome.ok ? accept(body) : outcome;
}

async function findAccount(
  deps: ApiDependencies,
  caller: KeyCaller,
  account: string,
): Promise<Result<AccountRow>> {
  if (!reaches(caller, account))
    return refuse('auth.forbidden', 'This key sees its own account only; others need the scope operator.');
  const row =
    isAccountId(account) || systemAccounts.includes(account)
      ? await deps.store.getAccount(account as AccountId | SystemAccount)
      : undefined;
  return row === undefined ? refuse('request.not_found', `There is no account ${account}.`) : accept(row);
}
