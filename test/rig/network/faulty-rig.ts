import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Client, createClient } from '@capacloud/client/client';
import type { Offer } from '@capacloud/protocol/capacity/resources';
import type { AccountId, JobId, NodeId } from '@capacloud/protocol/ids';
import { expect, vi } from 'vitest';
import { createHello, createIdentity } from './agent-keys.ts';
import { RawPeer } from './raw-peer.ts';
import { ScriptedAgent } from './scripted-agent.ts';

/** A real coordinator process, as it is shipped but for the faults that nodes bring about by their region. */
const faulty = fileURLToPath(
  new URL('../../../coordinator/service/src/testing/faulty-coordinator.ts', import.meta.url),
);
const main = fileURLToPath(new URL('../../../coordinator/service/src/main.ts', import.meta.url));
const conditions = '--conditions=@capacloud/source';

export interface Life {
  readonly url: string;
  /** Exit status. */
  readonly ended: Promise<number | null>;
  readonly lines: string[];
  kill(): Promise<void>;
}

let dir = '';
let lives: Life[] = [];
let closes: (() => void)[] = [];
/** A folder for each test, in which everything ends that it started. */
export async function openBooks(): Promise<void> {
  dir = await mkdtemp(join(tmpdir(), 'capacloud-books-'));
  lives = [];
  closes = [];
}
export async function closeBooks(): Promise<void> {
  for (const close of closes) close();
  for (const life of lives) await life.kill();
  await rm(dir, { recursive: true, force: true });
}

export const dataDir = (): string => join(dir, 'data');
const settings = () => ({
  name: 'books.test',
  data_dir: dataDir(),
  listen: '127.0.0.1:0',
  rules: { unknown_after_ms: 3000, lease_ms: 6000, lost_margin_ms: 500 },
});

export async function start(): Promise<Life> {
  const child = spawn(process.execPath, [conditions, faulty, JSON.stringify(settings())], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const lines: string[] = [];
  const ready = Promise.withResolvers<string>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    const { msg, url } = JSON.parse(line) as { readonly msg: string; readonly url?: string };
    if (msg === 'the coordinator is ready' && url !== undefined) ready.resolve(url);
  });
  void ended.then(() => ready.reject(new Error(`it did not become ready: ${lines.join('\n')}`)));
  const life: Life = {
    url: await ready.promise,
    ended,
    lines,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
  lives.push(life);
  return life;
}

export const client = async (life: Life): Promise<Client> =>
  createClient({
    baseUrl: life.url,
    apiKey: (await readFile(join(dataDir(), 'operator.key'), 'utf8')).trim(),
  });

/** What the program says on standard output, of a coordinator that is stopped. */
export async function verb(
  ...args: readonly string[]
): Promise<{ readonly status: number | null; readonly out: string; readonly err: string }> {
  const file = join(dir, 'coordinator.yaml');
  await writeFile(file, JSON.stringify(settings()));
  const child = spawn(process.execPath, [conditions, main, ...args, '--config', file]);
  let out = '';
  let err = '';
  child.stdout.on('data', (part) => (out += part));
  child.stderr.on('data', (part) => (err += part));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, out, err };
}

/** Joins and says nothing more. */
export async function joining(
  life: Life,
  offer: Offer,
  identity = createIdentity(),
): Promise<{ node: NodeId; peer: RawPeer }> {
  const peer = new RawPeer(life.url);
  closes.push(() => peer.socket.terminate());
  peer.send(await createHello(await peer.challenge(), identity, peer.key, { offer }));
  await Promise.race([peer.next('welcome').catch(() => {}), life.ended]);
  return { node: identity.node, peer };
}

export async function honest(life: Life): Promise<ScriptedAgent> {
  const agent = new ScriptedAgent({ url: life.url });
  closes.push(() => agent.close());
  await agent.connect();
  return agent;
}

export async function submit(client_: Client, change: object = {}): Promise<JobId> {
  const { id } = await client_.call('submitJob', {
    body: {
      version: '1',
      image: 'local/test:1',
      price: { max_per_hour: '1000', currency: 'CAPA' },
      ...change,
    },
  } as never);
  return id;
}

export const health = async (life: Life): Promise<object> =>
  (await fetch(`${life.url}/healthz`)).json() as Promise<object>;
export const succeeded = (operator: Client, job: JobId): Promise<void> =>
  vi.waitFor(
    async () =>
      expect(await operator.call('getJob', { params: { job } })).toMatchObject({ state: 'succeeded' }),
    60_000,
  );

export async function prepared(life: Life): Promise<Client> {
  const operator = await client(life);
  await operator.call('creditAccount', {
    params: { account: 'acc_operator' as AccountId },
    body: { amount_nano: `${10n ** 15n}` },
  });
  return operator;
}
