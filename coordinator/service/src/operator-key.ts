import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AccountId } from '@capacloud/protocol/ids';
import { nativeSha256Hex } from './native-sha256.ts';
import type { ReadStore } from './ports/read-store.ts';
import type { Submitter } from './ports/sequencer.ts';
import { readOrCreateSecret } from './secret-files.ts';

const operatorAccount = 'acc_operator' as AccountId;
const base32 = 'abcdefghijklmnopqrstuvwxyz234567';

function randomText(length: number): string {
  return Array.from(randomBytes(length), (byte) => base32[byte & 31]).join('');
}

export function operatorKeyPath(dataDir: string): string {
  return join(dataDir, 'operator.key');
}

/**
 * Gives a new coordinator the key that every other key comes from. The file is written before the key is known to
 * the store, so that a crash between the two leaves no key that nobody has. Gives the path when the key is new.
 */
export async function ensureOperatorKey(
  dataDir: string,
  submitter: Submitter,
  reads: ReadStore,
  now: number,
): Promise<string | undefined> {
  const path = operatorKeyPath(dataDir);
  if (!existsSync(path) && (await reads.listApiKeyIds(operatorAccount)).length > 0) return undefined;
  const key = readOrCreateSecret(path, () => `cck_${randomText(40)}`);
  const hash = nativeSha256Hex(key);
  if ((await reads.getApiKey(hash)) !== undefined) return undefined;
  if ((await reads.getAccount(operatorAccount)) === undefined)
    await submitter.submit({ type: 'account.open', at: now, account: operatorAccount });
  await submitter.record([
    {
      kind: 'api_key',
      hash,
      id: `key_${randomText(12)}`,
      account: operatorAccount,
      scopes: 'operator consumer',
      name: 'operator',
      createdAt: now,
    },
  ]);
  return path;
}
