import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type Client, createClient } from '@capacloud/client/client';
import { createNodeExchange } from '@capacloud/client/node-exchange';
import type { AccountId } from '@capacloud/protocol/ids';
import { stringify } from 'yaml';
import { ManagedProcess, waitUntil } from '../programs/managed-process.ts';
import { type Program, thisNode } from '../programs/programs.ts';
import { repositoryRoot } from '../repository-root.ts';

const coordinatorMain = join(repositoryRoot, 'coordinator', 'service', 'dist', 'main.js');
const agentMain = join(repositoryRoot, 'agent', 'dist', 'main.js');

export interface CoordinatorOptions {
  readonly dir: string;
  readonly name: string;
  /** Settings on top of those that every local coordinator gets; see the service's README. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Where it listens, if not on the loopback interface alone. */
  readonly listenAddress?: string;
  readonly signal?: AbortSignal;
}

export interface LocalCoordinator {
  readonly process: ManagedProcess;
  readonly url: string;
  readonly dataDir: string;
  /** With the operator's key. */
  readonly operator: Client;
  /** Starts it (again) and resolves when it takes requests. */
  start(): Promise<void>;
  /** Opens an account, grants it tokens and returns a client with a key of its own. */
  openAccount(
    account: AccountId,
    grantNano: bigint,
  ): Promise<{ readonly client: Client; readonly secret: string }>;
}

/** A configuration file may not refer to itself, and need not. */
const noAliases = { aliasDuplicateObjects: false };
const readyTimeoutMs = 60_000;

/** A real coordinator as a process of its own, from the build, on a free port of the loopback interface. */
export async function createCoordinator(options: CoordinatorOptions): Promise<LocalCoordinator> {
  const dataDir = join(options.dir, 'coordinator');
  await mkdir(dataDir, { recursive: true });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const configFile = join(options.dir, 'coordinator.yaml');
  await writeFile(
    configFile,
    stringify(
      {
        name: options.name,
        data_dir: dataDir,
        listen: `${options.listenAddress ?? '127.0.0.1'}:${port}`,
        ...options.settings,
      },
      noAliases,
    ),
  );
  const process_ = new ManagedProcess({
    name: 'coordinator',
    command: thisNode,
    args: [coordinatorMain, 'serve', '--config', configFile],
    logFile: join(options.dir, 'coordinator.log'),
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  const withSignal = options.signal === undefined ? {} : { signal: options.signal };

  async function start(): Promise<void> {
    process_.start();
    await waitUntil(
      'the coordinator to be ready',
      () =>
        fetch(`${url}/readyz`).then(
          (response) => response.ok,
          () => false,
        ),
      { timeoutMs: readyTimeoutMs, process: process_, ...withSignal },
    );
  }

  await start();
  const operatorKey = (await readFile(join(dataDir, 'operator.key'), 'utf8')).trim();
  const exchange = createNodeExchange();
  const operator = createClient({ baseUrl: url, apiKey: operatorKey, maxTries: 10, exchange });
  return {
    process: process_,
    url,
    dataDir,
    operator,
    start,
    async openAccount(account, grantNano) {
      await operator.call('createAccount', { body: { id: account } });
      await operator.call('creditAccount', { params: { account }, body: { amount_nano: String(grantNano) } });
      const key = await operator.call('createKey', {
        body: { name: 'local', account, scopes: ['consumer'] },
      });
      if (key.secret === undefined) throw new Error('the coordinator made a key without showing it');
      return {
        client: createClient({ baseUrl: url, apiKey: key.secret, maxTries: 10, exchange }),
        secret: key.secret,
      };
    },
  };
}

export interface AgentOptions {
  readonly dir: string;
  readonly name: string;
  readonly coordinatorUrl: string;
  /** Labels the containers of this agent, with its node. */
  readonly coordinatorName: string;
  readonly dockerSocket: string;
  /** Of the agent's configuration; see its README. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs the agent, such as one that enters a namespace first. */
  readonly prefix?: readonly [Program, ...string[]];
}

export interface LocalAgent {
  readonly name: string;
  readonly process: ManagedProcess;
  readonly stateDir: string;
  start(): void;
}

/** A real agent as a process of its own, with a key that `setup` made. */
export async function createAgent(options: AgentOptions): Promise<LocalAgent> {
  const home = join(options.dir, options.name);
  const stateDir = join(home, 'state');
  await mkdir(stateDir, { recursive: true });
  const configFile = join(home, 'agent.yaml');
  const keyFile = join(home, 'node.key');
  await writeFile(
    configFile,
    stringify(
      {
        coordinator: options.coordinatorUrl.replace(/^http/, 'ws'),
        coordinator_name: options.coordinatorName,
        state_dir: stateDir,
        key_file: keyFile,
        docker_socket: options.dockerSocket,
        ...options.settings,
      },
      noAliases,
    ),
  );
  const [command, ...args]: readonly [Program, ...string[]] =
    options.prefix === undefined ? [thisNode, agentMain] : [...options.prefix, thisNode, agentMain];
  const process_ = new ManagedProcess({
    name: options.name,
    command,
    args: [...args, 'run', '--config', configFile],
    logFile: join(home, 'agent.log'),
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  const { Wallet } = await import('ethers');
  await writeFile(keyFile, `${Wallet.createRandom().privateKey}\n`, { mode: 0o600, flag: 'wx' }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    },
  );
  return { name: options.name, process: process_, stateDir, start: () => process_.start() };
}

/** Resolves when so many nodes are ready for work. */
export async function waitForNodes(
  client: Client,
  count: number,
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<void> {
  await waitUntil(
    `${count} nodes to be ready`,
    async () => {
      const page = await client.call('listNodes', { query: { limit: 500 } });
      return page.items.filter((node) => node.status === 'ready').length >= count;
    },
    {
      timeoutMs: options.timeoutMs ?? 60_000,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    },
  );
}

/** A port that was free a moment ago: a coordinator must come back on the same one after a kill. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
