import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CommandError, usageError } from './command-error.ts';

export interface Connection {
  readonly url: string;
  readonly key: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** XDG Base Directory Specification: relative values are ignored. */
export function settingsFile(env: Environment): string {
  const base = env.XDG_CONFIG_HOME;
  return join(base?.startsWith('/') === true ? base : join(homedir(), '.config'), 'capacloud', 'config.json');
}

/** Flags, then the environment, then what `login` stored. */
export async function resolveConnection(
  flags: { readonly url?: string; readonly key?: string },
  env: Environment,
): Promise<Connection> {
  const stored = await readSettings(settingsFile(env));
  const url = flags.url ?? nonEmpty(env.CAPACLOUD_URL) ?? stored?.url;
  if (url === undefined)
    throw usageError(
      'No coordinator is known.',
      'Run capacloud login --url URL, or set CAPACLOUD_URL and CAPACLOUD_API_KEY.',
    );
  const checked = checkUrl(url);
  const given = flags.key ?? nonEmpty(env.CAPACLOUD_API_KEY);
  if (given !== undefined) checkKey(given);
  // A stored key is for the coordinator that it was stored with, and no other gets to see it.
  return { url: checked, key: given ?? (stored?.url === checked ? stored.key : undefined) };
}

export function checkUrl(text: string): string {
  const url = URL.parse(text);
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url === null || !isHttp || url.username !== '' || url.search !== '' || url.hash !== '')
    throw usageError(
      `${JSON.stringify(text)} is not the address of a coordinator.`,
      'An address looks like https://capacloud.example or http://127.0.0.1:8080.',
    );
  return url.href.replace(/\/+$/, '');
}

export function checkKey(text: string): string {
  // Anything else cannot stand in a header. The coordinator says whether it is a key.
  if (!/^[\x21-\x7e]{1,128}$/.test(text))
    throw usageError('That is not an API key.', 'Keys look like cck_ and 40 letters and digits.');
  return text;
}

/** Readable by its owner only, and whole at every moment. */
export async function storeSettings(path: string, settings: { url: string; key: string }): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.${process.pid}.new`;
  await writeFile(fresh, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
  await rename(fresh, path);
}

async function readSettings(path: string): Promise<{ url: string; key: string } | undefined> {
  let text: string;
  try {
    if ((await stat(path)).size > 64 * 1024) throw broken(path);
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
  try {
    const value = JSON.parse(text) as { readonly url?: unknown; readonly key?: unknown };
    if (typeof value.url === 'string' && typeof value.key === 'string')
      return { url: checkUrl(value.url), key: checkKey(value.key) };
  } catch {
    // Said below.
  }
  throw broken(path);
}

function broken(path: string): CommandError {
  return new CommandError(2, {
    code: 'config.invalid',
    message: `${path} is damaged.`,
    hint: 'Run capacloud login --url URL again.',
  });
}

/** An empty variable is as good as none. */
export function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}
