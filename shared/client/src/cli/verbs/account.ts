import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { Command } from 'commander';
import { usageError } from '../command-error.ts';
import type { Context } from '../context.ts';
import { agoText, capaColumn, capaText } from '../phrases.ts';
import { checkKey, checkUrl, nonEmpty, settingsFile, storeSettings } from '../settings.ts';
import { writeFields, writeTable } from '../table.ts';
import { parseLimit } from './jobs.ts';
import type { Runner } from './verb.ts';

export function addLogin(program: Command, runner: Runner): void {
  program
    .command('login')
    .description('store the address of a coordinator and an API key')
    .action(runner(login, { outlivesOutput: true }));
}

export function addWhoami(program: Command, runner: Runner): void {
  program
    .command('whoami')
    .description('whose key this is, and where')
    .action(
      runner(async (context) => {
        const { url } = await context.connection();
        const client = await context.client();
        const account = await client.call('getOwnAccount', { signal: context.signal });
        if (context.json) {
          context.writeJson({ url, ...account });
          return undefined;
        }
        writeFields(context.terminal.out, [
          ['account', context.terminal.out.paint('bold', account.id)],
          ['scopes', account.scopes.join(', ')],
          ['coordinator', url],
          ['available', capaText(account.available_nano)],
        ]);
        return undefined;
      }),
    );
}

export function addBalance(program: Command, runner: Runner): void {
  program
    .command('balance')
    .description('what is available and what is held')
    .option('-n, --entries <count>', 'also the latest ledger entries', parseLimit)
    .action(runner(balance));
}

async function login(context: Context): Promise<undefined> {
  const given = context.flags.url ?? nonEmpty(context.env.CAPACLOUD_URL);
  if (given === undefined)
    throw usageError('login needs an address.', 'capacloud login --url https://capacloud.example');
  const url = checkUrl(given);
  const key = context.flags.key ?? nonEmpty(context.env.CAPACLOUD_API_KEY) ?? (await askForKey(context, url));
  if (key === '') throw usageError('No API key was given.', `${whoGivesKeys(url)} Then run login again.`);
  checkKey(key);
  const client = context.clientOf(url, key);
  const account = await client.call('getOwnAccount', { signal: context.signal });
  const path = settingsFile(context.env);
  await storeSettings(path, { url, key });
  if (url.startsWith('http:') && !/^http:\/\/(localhost|127\.|\[::1\])/.test(url))
    context.say('warning: this address is not https, so anybody on the way can read the key');
  if (context.json) context.writeJson({ url, account: account.id, file: path });
  else context.say(`Logged in to ${url} as ${account.id}; the key is in ${path}`);
}

function whoGivesKeys(url: string): string {
  return `The operator of ${url} gives out API keys, with capacloud-coordinator keys create NAME --account ACCOUNT.`;
}

/** From a pipe, or typed without an echo. */
async function askForKey(context: Context, url: string): Promise<string> {
  if (process.stdin.isTTY !== true) {
    let text = '';
    for await (const chunk of process.stdin.setEncoding('utf8')) {
      text += chunk as string;
      if (text.length > 4096) break;
    }
    return text.trim();
  }
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  // In raw mode Ctrl-C is a character, which readline turns into this event.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  context.say(context.terminal.err.paint('dim', `${whoGivesKeys(url)} It is not shown while you paste it.`));
  context.terminal.err.write('API key: ');
  try {
    return (await lines.question('', { signal: context.signal })).trim();
  } catch (error) {
    context.signal.throwIfAborted();
    throw error;
  } finally {
    lines.close();
    context.terminal.err.write('\n');
  }
}

async function balance(context: Context, options: { readonly entries?: number }): Promise<undefined> {
  const client = await context.client();
  const { signal } = context;
  const account = await client.call('getOwnAccount', { signal });
  const entries =
    options.entries === undefined
      ? undefined
      : (
          await client.call('listEntries', {
            params: { account: account.id },
            query: { limit: Math.min(500, options.entries) },
            signal,
          })
        ).items;
  if (context.json) {
    const { scopes: _, ...amounts } = account;
    context.writeJson({ ...amounts, ...(entries === undefined ? {} : { entries }) });
    return;
  }
  const { out } = context.terminal;
  const [available = '', held = ''] = alignRight(capaColumn([account.available_nano, account.held_nano]));
  writeFields(out, [
    ['available', `${out.paint('bold', available)} CAPA`],
    ['held', `${held} CAPA`],
  ]);
  if (entries === undefined) return;
  const amounts = capaColumn(entries.map((entry) => entry.delta_nano));
  out.write('\n');
  writeTable(
    out,
    [
      { title: 'WHEN', align: 'right' },
      { title: 'KIND' },
      { title: 'CAPA', align: 'right' },
      { title: 'FOR' },
    ],
    entries.map((entry, index) => [
      agoText(entry.at, Date.now()),
      entry.kind,
      amounts[index] ?? '',
      entry.task ?? entry.job ?? '',
    ]),
  );
}

function alignRight(texts: readonly string[]): readonly string[] {
  const width = Math.max(...texts.map((text) => text.length));
  return texts.map((text) => text.padStart(width));
}
