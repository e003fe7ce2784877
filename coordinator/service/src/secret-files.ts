import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { DataError } from './store/data-error.ts';
import { withData } from './store/data-fault.ts';

/**
 * Reads a secret; makes it, readable by the owner only, when it is not there. Throws DataError where others can read it: it
 * may be known by now, so it is not simply closed to them.
 */
export function readOrCreateSecret(path: string, make: () => string): string {
  return withData(path, () => {
    if (existsSync(path)) {
      assertOwnersAlone(path);
      const found = readFileSync(path, 'utf8').trim();
      if (found === '')
        throw new DataError('log.damaged', `${path} is empty.`, { hint: 'Restore it from a backup.' });
      return found;
    }
    const secret = make().trim();
    // Exclusive and synced: what is signed or sealed with a secret that a crash loses would be worthless.
    const file = openSync(path, 'wx', 0o600);
    writeSync(file, `${secret}\n`);
    fsyncSync(file);
    closeSync(file);
    return secret;
  });
}

function assertOwnersAlone(path: string): void {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new DataError('config.invalid', `${path} can be read by others (mode ${mode.toString(8)}).`, {
    hint: `If nobody else has used this machine: chmod 600 ${path}`,
  });
}
