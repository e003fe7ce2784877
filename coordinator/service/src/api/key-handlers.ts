import type { AccountId } from '@capacloud/protocol/ids';
import { accept, refuse } from '@capacloud/protocol/result';
import type { ApiKeyView } from '@capacloud/protocol/views';
import { nativeSha256Hex } from '../native-sha256.ts';
import type { ApiKeyRow } from '../ports/read-store.ts';
import { type Authentication, scopesOf } from './authentication.ts';
import type { Scope } from './caller.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Handlers } from './handler.ts';
import { timeText } from './views.ts';

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** Each byte gives 5 of its bits. */
function base32Text(random: Uint8Array): string {
  return Array.from(random, (byte) => base32[byte & 31]).join('');
}

export function keyHandlers(
  deps: ApiDependencies,
  authentication: Authentication,
): Handlers<'createKey' | 'listKeys' | 'revokeKey'> {
  return {
    createKey: async ({ caller, body, at }) => {
      const account: AccountId = body.account ?? caller.account;
      const scopes: readonly Scope[] = body.scopes ?? ['consumer'];
      if (!caller.operator && (account !== caller.account || scopes.includes('operator')))
        return refuse('auth.forbidden', 'Only the scope operator makes keys for others or with that scope.');
      if (!deps.sequencer.state.accounts.has(account))
        return refuse('ledger.account_unknown', `There is no account ${account}.`);
      const secret = `cck_${base32Text(deps.randomBytes(40))}`;
      const row: ApiKeyRow = {
        id: `key_${base32Text(deps.randomBytes(12))}`,
        account,
        name: body.name,
        scopes: scopes.join(' '),
        createdAt: at,
        ...(body.expires_in_s === undefined ? {} : { expiresAt: at + body.expires_in_s * 1000 }),
      };
      await deps.sequencer.record([{ kind: 'api_key', hash: nativeSha256Hex(secret), ...row }]);
      return accept({ ...keyView(row), secret });
    },
    listKeys: async ({ caller }) => {
      const rows = await deps.store.listApiKeys(caller.account);
      return accept({ items: rows.map(keyView) });
    },
    revokeKey: async ({ caller, params, at }) => {
      const rows = await deps.store.listApiKeys(caller.account);
      if (!rows.some((row) => row.id === params.id))
        return refuse('request.not_found', `This account has no key ${params.id}.`);
      await deps.sequencer.record([{ kind: 'api_key_revoked', id: params.id, at }]);
      authentication.forget(params.id);
      return accept(undefined);
    },
  };
}

function keyView(row: ApiKeyRow): ApiKeyView {
  return {
    id: row.id,
    account: row.account,
    name: row.name,
    scopes: [...scopesOf(row)],
    created_at: timeText(row.createdAt),
    ...(row.expiresAt === undefined ? {} : { expires_at: timeText(row.expiresAt) }),
  };
}
