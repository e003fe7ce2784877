import Type from 'typebox';
import { NanoSchema } from '../capacity/resources-schema.ts';
import { AccountIdSchema } from '../ids-schema.ts';
import { distinct, wholeItem } from '../input/distinct.ts';
import { expects } from '../input/wording.ts';
import { shown } from '../job/job-texts.ts';
import { closed, count, page, type Route } from './route.ts';
import { StorageViewSchema } from './storage-view.ts';
import { AccountViewSchema, ApiKeyViewSchema, LedgerEntryViewSchema, pageOf } from './views.ts';

const KeyId = Type.String({
  pattern: '^key_[a-z2-7]{12}$',
  maxLength: 32,
  ...expects('the id of a key: key_ and 12 characters'),
});
const accountParams = Type.Object({ account: Type.String({ maxLength: 44 }) }, closed);

export const accountRoutes = {
  getOwnAccount: {
    method: 'GET',
    path: '/v1/account',
    summary: 'The account of this key',
    tag: 'accounts',
    auth: 'consumer',
    status: 200,
    response: Type.Object(
      {
        ...AccountViewSchema.properties,
        scopes: Type.Array(Type.String()),
        storage: Type.Optional(StorageViewSchema),
      },
      closed,
    ),
    errors: [],
  },
  listAccounts: {
    method: 'GET',
    path: '/v1/accounts',
    summary: 'Every account and its balance, the system accounts included: they sum to zero',
    tag: 'accounts',
    auth: 'operator',
    query: Type.Object(page, closed),
    status: 200,
    response: pageOf(AccountViewSchema),
    errors: [],
  },
  createAccount: {
    method: 'POST',
    path: '/v1/accounts',
    summary: 'Open an account',
    tag: 'accounts',
    auth: 'operator',
    body: Type.Object({ id: AccountIdSchema }, closed),
    status: 201,
    response: AccountViewSchema,
    idempotent: true,
    errors: ['ledger.account_exists', 'idempotency.mismatch', 'idempotency.required', 'service.disk_low'],
  },
  getAccount: {
    method: 'GET',
    path: '/v1/accounts/{account}',
    summary: 'Balance of an account',
    tag: 'accounts',
    auth: 'consumer',
    params: accountParams,
    status: 200,
    response: AccountViewSchema,
    errors: ['request.not_found', 'auth.forbidden'],
  },
  listEntries: {
    method: 'GET',
    path: '/v1/accounts/{account}/entries',
    summary: 'Ledger entries of an account, newest first',
    tag: 'accounts',
    auth: 'consumer',
    params: accountParams,
    query: Type.Object(page, closed),
    status: 200,
    response: pageOf(LedgerEntryViewSchema),
    errors: ['request.not_found', 'auth.forbidden'],
  },
  creditAccount: {
    method: 'POST',
    path: '/v1/accounts/{account}/credits',
    summary: 'Grant tokens to an account',
    tag: 'accounts',
    auth: 'operator',
    params: accountParams,
    body: Type.Object({ amount_nano: NanoSchema }, closed),
    status: 201,
    response: AccountViewSchema,
    idempotent: true,
    errors: [
      'ledger.account_unknown',
      'ledger.amount_invalid',
      'idempotency.mismatch',
      'idempotency.required',
      'service.disk_low',
    ],
  },
  createKey: {
    method: 'POST',
    path: '/v1/keys',
    summary: 'Make an API key; its secret is shown once. An operator may make one for any account',
    tag: 'accounts',
    auth: 'consumer',
    body: Type.Object(
      {
        name: Type.String({ minLength: 1, maxLength: 64, ...shown }),
        account: Type.Optional(AccountIdSchema),
        scopes: Type.Optional(
          distinct(
            Type.Array(Type.Union([Type.Literal('consumer'), Type.Literal('operator')]), {
              minItems: 1,
              maxItems: 2,
              uniqueItems: true,
            }),
            wholeItem,
          ),
        ),
        expires_in_s: Type.Optional(Type.Integer({ minimum: 60, maximum: 10 * 365 * 24 * 3600 })),
      },
      closed,
    ),
    status: 201,
    response: ApiKeyViewSchema,
    errors: ['auth.forbidden', 'auth.too_many_keys', 'ledger.account_unknown'],
  },
  listKeys: {
    method: 'GET',
    path: '/v1/keys',
    summary: 'Keys of this account that were not revoked, newest first; an operator may name another account',
    tag: 'accounts',
    auth: 'consumer',
    query: Type.Object({ ...page, account: Type.Optional(AccountIdSchema) }, closed),
    status: 200,
    response: pageOf(ApiKeyViewSchema),
    errors: ['auth.forbidden'],
  },
  getKey: {
    method: 'GET',
    path: '/v1/keys/{id}',
    summary: 'One key, without its secret',
    tag: 'accounts',
    auth: 'consumer',
    params: Type.Object({ id: KeyId }, closed),
    status: 200,
    response: ApiKeyViewSchema,
    errors: ['request.not_found'],
  },
  revokeKey: {
    method: 'DELETE',
    path: '/v1/keys/{id}',
    summary: 'Revoke a key',
    tag: 'accounts',
    auth: 'consumer',
    params: Type.Object({ id: KeyId }, closed),
    status: 204,
    response: 'none',
    errors: ['request.not_found'],
  },
  revokeKeys: {
    method: 'DELETE',
    path: '/v1/keys',
    summary: 'Revoke every key of this account but the one that asks; an operator may name another account',
    tag: 'accounts',
    auth: 'consumer',
    query: Type.Object(
      { account: Type.Optional(AccountIdSchema), this_too: Type.Optional(Type.Boolean()) },
      closed,
    ),
    status: 200,
    response: Type.Object({ revoked: count }, closed),
    errors: ['auth.forbidden'],
  },
} as const satisfies Record<string, Route>;
