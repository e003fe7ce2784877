import type { AccountId } from '@capacloud/protocol/ids';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { ApiKeyView } from '@capacloud/protocol/routes/views';
import { nativeSha256Hex } from '../native-sha256.ts';
import type { ApiKeyRow } from '../ports/read-store.ts';
import { type Authentication, scopesOf } from './authentication.ts';
import { type KeyCaller, reaches, type Scope } from './caller.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { Handlers } from './handler.ts';
import { pageOfRows } from './pages.ts';
import { timeText } from './views.ts';

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';
const dayMs = 24 * 3600_000;

/** Of one account. Rows of keys that have ended stay for a week, so making them is bounded as well. */
export const keyLimits = { keys: 200, madePerDay: 1000 } as const;

/** Each byte gives 5 of its bits. */
function base32Text(random: Uint8Array): string {
  return Array.from(random, (byte) => base32[byte & 31]).join('');
}

export function keyHandlers(
  deps: ApiDependencies,
  authentication: Authentication,
): Handlers<'createKey' | 'listKeys' | 'getKey' | 'revokeKey' | 'revokeKeys'> {
  const { store } = deps;
  const maker = new KeyMaker(deps);
  const revoke = async (ids: readonly string[], at: number): Promise<void> => {
    await deps.submitter.record(ids.map((id) => ({ kind: 'api_key_revoked', id, at })));
    for (const id of ids) authentication.forget(id);
  };
  const find = async (caller: KeyCaller, id: string): Promise<Result<ApiKeyRow>> => {
    const row = await store.getApiKeyById(id);
    if (row === undefined || row.revokedAt !== undefined || !reaches(caller, row.account))
      return refuse('request.not_found', `There is no key ${id} that this key may see.`);
    return accept(row);
  };
  return {
    createKey: async ({ caller, body, at }) => {
      const account: AccountId = body.account ?? caller.account;
      const scopes: readonly Scope[] = body.scopes ?? ['consumer'];
      if (!caller.operator && (account !== caller.account || scopes.includes('operator')))
        return refuse('auth.forbidden', 'Only the scope operator makes keys for others or with that scope.');
      if (!(await deps.questions.hasAccount(account)))
        return refuse('ledger.account_unknown', `There is no account ${account}.`);
      const asked = body.expires_in_s === undefined ? undefined : at + body.expires_in_s * 1000;
      const expiresAt = earlier(asked, caller.expiresAt);
      const made = await maker.make({ account, scopes, name: body.name, expiresAt }, at);
      if (!made.ok) return made;
      // The key that asked may have been revoked meanwhile, and with it all that it made.
      if ((await find(caller, caller.keyId)).ok) return made;
      await revoke([made.value.id], at);
      return refuse('auth.invalid', 'The API key was revoked.');
    },
    listKeys: async ({ caller, query }) => {
      const account = query.account ?? caller.account;
      if (!reaches(caller, account)) return notYours();
      return pageOfRows(query, (page) => store.listApiKeys(account, page), keyView);
    },
    getKey: async ({ caller, params }) => {
      const found = await find(caller, params.id);
      return found.ok ? accept(keyView(found.value)) : found;
    },
    revokeKey: async ({ caller, params, at }) => {
      const found = await find(caller, params.id);
      if (!found.ok) return found;
      await revoke([found.value.id], at);
      return accept(undefined);
    },
    revokeKeys: async ({ caller, query, at }) => {
      const account = query.account ?? caller.account;
      if (!reaches(caller, account)) return notYours();
      // Again until none is left: one that was on its way to the disk at the first look may have been answered by now.
      for (let revoked = 0; ; ) {
        const ids = await store.listApiKeyIds(account);
        const others = ids.filter((id) => query.this_too === true || id !== caller.keyId);
        if (others.length === 0) return accept({ revoked });
        await revoke(others, at);
        revoked += others.length;
      }
    },
  };
}

function notYours(): Result<never> {
  return refuse('auth.forbidden', 'Only the scope operator reaches keys of other accounts.');
}

/** A key is good no longer than the one that made it. */
function earlier(a: number | undefined, b: number | undefined): number | undefined {
  const ends = [a, b].filter((each) => each !== undefined);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

interface NewKey {
  readonly account: AccountId;
  readonly scopes: readonly Scope[];
  readonly name: string;
  readonly expiresAt: number | undefined;
}

/** Makes keys within the bounds of their account. */
class KeyMaker {
  readonly #deps: ApiDependencies;
  /** On their way to the disk: a count of what is there does not know them yet. */
  readonly #underWay = new Map<AccountId, number>();

  constructor(deps: ApiDependencies) {
    this.#deps = deps;
  }

  async make(key: NewKey, at: number): Promise<Result<ApiKeyView>> {
    const { account } = key;
    const underWay = this.#underWay.get(account) ?? 0;
    this.#underWay.set(account, underWay + 1);
    try {
      const { good, made } = await this.#deps.store.countApiKeys(account, at, at - dayMs);
      if (good + underWay >= keyLimits.keys)
        return refuse('auth.too_many_keys', `${account} has ${keyLimits.keys} keys, which is the most.`);
      if (made + underWay >= keyLimits.madePerDay)
        return refuse(
          'auth.too_many_keys',
          `${keyLimits.madePerDay} keys of ${account} were made within a day.`,
        );
      return accept(await this.#record(key, at));
    } finally {
      const left = (this.#underWay.get(account) ?? 1) - 1;
      if (left === 0) this.#underWay.delete(account);
      else this.#underWay.set(account, left);
    }
  }

  async #record({ account, expiresAt, name, scopes }: NewKey, at: number): Promise<ApiKeyView> {
    const { randomBytes, submitter } = this.#deps;
    const secret = `cck_${base32Text(randomBytes(40))}`;
    const row: ApiKeyRow = {
      id: `key_${base32Text(randomBytes(12))}`,
      account,
      name,
      scopes: scopes.join(' '),
      createdAt: at,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    };
    await submitter.record([{ kind: 'api_key', hash: nativeSha256Hex(secret), ...row }]);
    return { ...keyView(row), secret };
  }
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
