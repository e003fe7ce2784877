import { existsSync, readFileSync } from 'node:fs';
import { isErrorCode } from '@capacloud/protocol/catalogue/errors';
import { escapeHidden } from '@capacloud/protocol/input/plain-text';
import { adviseDuration } from '@capacloud/protocol/input/unit-hints';
import { parseDuration } from '@capacloud/protocol/units';
import { createConnections } from '@capacloud/transfer/connections';
import { Command } from 'commander';
import type { Config } from '../config/config.ts';
import { operatorKeyPath } from '../operator-key.ts';
import { CommandRefused } from './failure.ts';
import { type ConfigFlags, loadConfig } from './load-config.ts';

const timeoutMs = 30_000;

interface KeyFlags extends ConfigFlags {
  readonly url?: string;
  readonly account?: string;
  readonly all?: boolean;
  readonly cursor?: string;
  readonly scope?: readonly string[];
  readonly expiresIn?: string;
}

/** API keys, through the REST API of the running coordinator and with the operator's key. */
export function keysCommand(): Command {
  const keys = new Command('keys').description('make, list and revoke API keys');
  const withFlags = (command: Command) =>
    command
      .option('--config <file>', 'settings (YAML); also CAPACLOUD_CONFIG')
      .option('--data-dir <folder>', 'where the operator key is; also CAPACLOUD_DATA_DIR')
      .option('--listen <host:port>', 'where the coordinator listens; also CAPACLOUD_LISTEN')
      .option(
        '--url <url>',
        'where the coordinator is reached, if not at that address; by the proxies of the environment',
      );
  withFlags(keys.command('create <name>').description('make a key; its secret is shown once'))
    .option('--account <account>', 'whose key; the operator itself without it')
    .option('--scope <scope...>', 'consumer, operator')
    .option('--expires-in <duration>', 'until it is worth nothing: 30d, 12h, or a number of seconds')
    .action(async (name: string, flags: KeyFlags) => {
      await call(flags, 'POST', '/v1/keys', {
        name,
        ...(flags.account === undefined ? {} : { account: flags.account }),
        ...(flags.scope === undefined ? {} : { scopes: flags.scope }),
        ...(flags.expiresIn === undefined ? {} : { expires_in_s: secondsOf(flags.expiresIn) }),
      });
    });
  withFlags(keys.command('list').description('keys of an account'))
    .option('--account <account>', 'whose keys; those of the operator without it')
    .option('--cursor <cursor>', 'the next page: what stands in `next` of the last one')
    .action(({ account, cursor, ...flags }: KeyFlags) =>
      call(flags, 'GET', `/v1/keys${queryOf({ account, cursor })}`),
    );
  withFlags(keys.command('revoke [id]').description('end a key, or all keys of an account'))
    .option('--all', 'every key of the account, but not the one in operator.key')
    .option('--account <account>', 'whose keys, with --all; those of the operator without it')
    .action(async (id: string | undefined, { account, all, ...flags }: KeyFlags) => {
      if ((id === undefined) !== (all === true))
        throw new CommandRefused({
          code: 'config.invalid',
          message: 'Name one key, or say --all.',
          hint: '`keys list` shows them.',
        });
      const path = id === undefined ? queryOf({ account }) : `/${encodeURIComponent(id)}`;
      await call(flags, 'DELETE', `/v1/keys${path}`);
    });
  return keys;
}

function queryOf(parts: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(parts).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

function secondsOf(text: string): number {
  const durationMs = /^[0-9]{1,10}$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (durationMs !== undefined && durationMs > 0) return durationMs / 1000;
  const advice = adviseDuration(text);
  throw new CommandRefused({
    code: 'config.invalid',
    message: `--expires-in must be a duration such as 30d or 12h${advice === undefined ? '' : `; ${advice}`}.`,
    hint: 'A plain number is one of seconds.',
  });
}

async function call(flags: KeyFlags, method: string, path: string, body?: object): Promise<void> {
  const config = loadConfig(flags, process.env);
  const keyPath = operatorKeyPath(config.dataDir);
  if (!existsSync(keyPath))
    throw new CommandRefused({ code: 'auth.missing', message: `There is no operator key at ${keyPath}.` });
  // As agent and command line reach it: by the proxies of the environment, and this machine directly.
  const response = await createConnections({ env: process.env }).fetch(urlOf(path, flags, config), {
    method,
    signal: AbortSignal.timeout(timeoutMs),
    headers: {
      authorization: `Bearer ${readFileSync(keyPath, 'utf8').trim()}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new CommandRefused(refusalOf(text, response.status));
  if (text !== '') process.stdout.write(`${escapeHidden(text)}\n`);
}

function urlOf(path: string, { url }: KeyFlags, config: Config): URL {
  return new URL(path, url ?? localUrl(config));
}

function localUrl({ host, port }: Config): string {
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}

function refusalOf(text: string, status: number) {
  try {
    const { code, detail } = JSON.parse(text) as { readonly code: string; readonly detail: string };
    if (isErrorCode(code)) return { code, message: detail };
  } catch {
    // Not one of our answers: something else listens there.
  }
  return { code: 'service.internal' as const, message: `The answer was ${status}, and not a coordinator's.` };
}
