import type { AccountId, Sha256Hex } from '@capacloud/protocol/ids';
import type { ApiKeyRow, PageRequest, ReadStore } from '../ports/read-store.ts';
import { pageOf, rowsToRead } from './page-cursor.ts';

interface StoredKey {
  readonly id: string;
  readonly account: AccountId;
  readonly name: string;
  readonly scopes: string;
  readonly created_at: bigint;
  readonly expires_at: bigint | null;
  readonly revoked_at: bigint | null;
}

function keyRow(row: StoredKey): ApiKeyRow {
  return {
    id: row.id,
    account: row.account,
    name: row.name,
    scopes: row.scopes,
    createdAt: Number(row.created_at),
    ...(row.expires_at === null ? {} : { expiresAt: Number(row.expires_at) }),
    ...(row.revoked_at === null ? {} : { revokedAt: Number(row.revoked_at) }),
  };
}

type All = <R>(sql: string, ...values: unknown[]) => R[];
type One = <R>(sql: string, ...values: unknown[]) => R | undefined;

/** API keys and what is remembered of idempotent calls. */
export function keyReads(
  all: All,
  one: One,
): Pick<
  ReadStore,
  'getApiKey' | 'getApiKeyById' | 'listApiKeys' | 'listApiKeyIds' | 'countApiKeys' | 'getIdempotency'
> {
  return {
    async getApiKey(hash: Sha256Hex) {
      const row = one<StoredKey>('SELECT * FROM api_keys WHERE hash = ?', hash);
      return row === undefined ? undefined : keyRow(row);
    },
    async getApiKeyById(id: string) {
      const row = one<StoredKey>('SELECT * FROM api_keys WHERE id = ?', id);
      return row === undefined ? undefined : keyRow(row);
    },
    async listApiKeys(account: AccountId, page: PageRequest) {
      const last =
        page.cursor === undefined
          ? undefined
          : one<StoredKey>('SELECT * FROM api_keys WHERE id = ? AND account = ?', page.cursor, account);
      if (page.cursor !== undefined && last === undefined) return undefined;
      const rows = all<StoredKey>(
        `SELECT * FROM api_keys WHERE account = ? AND revoked_at IS NULL AND (created_at, id) < (?, ?)
         ORDER BY created_at DESC, id DESC LIMIT ?`,
        account,
        last?.created_at ?? Number.MAX_SAFE_INTEGER,
        last?.id ?? '',
        rowsToRead(page),
      );
      return pageOf(rows, page, keyRow, ({ id }) => id);
    },
    async listApiKeyIds(account: AccountId) {
      return all<{ id: string }>(
        'SELECT id FROM api_keys WHERE account = ? AND revoked_at IS NULL',
        account,
      ).map(({ id }) => id);
    },
    async countApiKeys(account: AccountId, at: number, since: number) {
      const found = one<{ good: bigint; made: bigint }>(
        `SELECT count(*) FILTER (WHERE revoked_at IS NULL AND coalesce(expires_at > ?, 1)) AS good,
          count(*) FILTER (WHERE created_at > ?) AS made FROM api_keys WHERE account = ?`,
        at,
        since,
        account,
      );
      return { good: Number(found?.good ?? 0), made: Number(found?.made ?? 0) };
    },
    async getIdempotency(account: AccountId, key: string) {
      const row = one<{ request_hash: Sha256Hex; status: bigint; body: string; at: bigint }>(
        'SELECT * FROM idempotency WHERE account = ? AND key = ?',
        account,
        key,
      );
      if (row === undefined) return undefined;
      return {
        requestHash: row.request_hash,
        status: Number(row.status),
        body: row.body,
        at: Number(row.at),
      };
    },
  };
}
