import { randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Result, refuse } from '@capacloud/protocol/result';
import { makeFolder } from './make-folder.ts';

const keyPattern = /^0x[0-9a-f]{64}$/;

/** The node's private key, 0x and 64 hex digits. Refused when others than its owner could read it. */
export async function readKeyFile(file: string): Promise<Result<string>> {
  let mode: number;
  let text: string;
  try {
    mode = (await stat(file)).mode;
    text = (await readFile(file, 'utf8')).trim().toLowerCase();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : '';
    return refuse('config.invalid', `the key cannot be read: ${message}`, {
      hint: 'Run capacloud-agent setup, or set key_file.',
    });
  }
  if ((mode & 0o077) !== 0 && !isCredential(file)) {
    return refuse('config.invalid', `${file} can be read by others (mode ${(mode & 0o777).toString(8)})`, {
      hint: `chmod 600 ${file}`,
    });
  }
  const key = text.startsWith('0x') ? text : `0x${text}`;
  if (!keyPattern.test(key)) {
    return refuse('config.invalid', `${file} does not hold a private key`, {
      hint: 'It is one line: 0x and 64 hex digits.',
    });
  }
  return { ok: true, value: key };
}

/** systemd hands credentials over in a folder of the service's own, whatever the mode of the file says. */
function isCredential(file: string): boolean {
  const folder = process.env.CREDENTIALS_DIRECTORY;
  return folder !== undefined && folder !== '' && dirname(file) === folder;
}

/** Makes a key unless the file is there already; a key is never written over. True when it was made. */
export async function createKeyFile(file: string): Promise<boolean> {
  makeFolder(dirname(file));
  try {
    await writeFile(file, `0x${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}
