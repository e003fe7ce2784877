import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';

/** A secret that must not be used. Its message is for the person who started the coordinator. */
export class SecretRefused extends Error {
  override readonly name = 'SecretRefused';
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/**
 * Reads a secret; makes it, readable by the owner only, when it is not there. Throws SecretRefused where others can read it: it
 * may be known by now, so it is not simply closed to them.
 */
export function readOrCreateSecret(path: string, make: () => string): string {
  if (existsSync(path)) {
    assertOwnersAlone(path);
    const found = readFileSync(path, 'utf8').trim();
    if (found === '')
      throw new SecretRefused('log.damaged', `${path} is empty.`, 'Restore it from a backup.');
    return found;
  }
  const secret = make().trim();
  // Exclusive and synced: what is signed or sealed with a secret that a crash loses would be worthless.
  const file = openSync(path, 'wx', 0o600);
  writeSync(file, `${secret}\n`);
  fsyncSync(file);
  closeSync(file);
  return secret;
}

function assertOwnersAlone(path: string): void {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new SecretRefused(
    'config.invalid',
    `${path} can be read by others (mode ${mode.toString(8)}).`,
    `If nobody else has used this machine: chmod 600 ${path}`,
  );
}
