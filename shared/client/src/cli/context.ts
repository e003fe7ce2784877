import { shownJson } from '@capacloud/protocol/input/plain-text';
import { type Client, createClient } from '../client.ts';
import { createNodeExchange, createNodeOpening, nodeConnections } from '../node-exchange.ts';
import { CommandError } from './command-error.ts';
import { exitStatus } from './exit-status.ts';
import { type Connection, nonEmpty, resolveConnection } from './settings.ts';
import { type Output, type Terminal, wrap } from './terminal.ts';

export interface GlobalOptions {
  readonly url?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** What every verb works with. */
export class Context {
  readonly terminal: Terminal;
  readonly json: boolean;
  /** Aborts with `Interrupted`. */
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: GlobalOptions;

  constructor(terminal: Terminal, flags: GlobalOptions, env: Context['env'], signal: AbortSignal) {
    this.terminal = terminal;
    this.flags = flags;
    this.json = flags.json === true;
    this.env = env;
    this.signal = signal;
  }

  /** The same, with other ways for what is written. */
  writingTo(write: { readonly out: (text: string) => void; readonly err: (text: string) => void }): Context {
    const { out, err, isLive } = this.terminal;
    const terminal = { out: rewired(out, write.out), err: rewired(err, write.err), isLive };
    return new Context(terminal, this.flags, this.env, this.signal);
  }

  connection(): Promise<Connection> {
    return resolveConnection(this.flags, this.env);
  }

  /** Without a key only what is public may be asked. */
  async client(access: 'with-key' | 'public' = 'with-key'): Promise<Client> {
    const { url, key } = await this.connection();
    if (access === 'with-key' && key === undefined)
      throw new CommandError(exitStatus.auth, {
        code: 'auth.missing',
        message: `There is no API key for ${url}.`,
        hint: `Run capacloud login --url ${url}, or set CAPACLOUD_API_KEY. The operator of the coordinator gives out keys.`,
      });
    return this.clientOf(url, key);
  }

  /** A client of that address, by the proxies and certificates of the environment. */
  clientOf(url: string, key: string | undefined): Client {
    const connections = nodeConnections(this.env, nonEmpty(this.env.CAPACLOUD_CA_FILE));
    return createClient({
      baseUrl: url,
      exchange: createNodeExchange(connections),
      opening: createNodeOpening(connections),
      ...(key === undefined ? {} : { apiKey: key }),
    });
  }

  /** One line of data. */
  writeJson(value: unknown): void {
    this.terminal.out.write(`${shownJson(value)}\n`);
  }

  /** A line about what happens, for people; broken between words where the terminal is narrow. */
  say(text: string): void {
    const { err } = this.terminal;
    err.write(`${wrap(text, err.columns).join('\n')}\n`);
  }
}

function rewired(output: Output, write: Output['write']): Output {
  const { isTty, paint, settle } = output;
  return {
    isTty,
    paint,
    settle,
    write,
    get columns() {
      return output.columns;
    },
  };
}
