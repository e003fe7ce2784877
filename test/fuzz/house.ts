import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient } from '@capacloud/client/client';
import { readConfig } from '@capacloud/coordinator/config/config';
import { type Coordinator, startCoordinator } from '@capacloud/coordinator/coordinator';
import type { AccountId } from '@capacloud/protocol/ids';
import { pino } from 'pino';

export interface HouseOptions {
  /** Of the configuration file, as YAML or JSON. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** A whole coordinator in this process: real log, store, artifacts, gateway and API on a real socket. */
export interface House {
  readonly url: string;
  readonly port: number;
  readonly operator: Client;
  readonly operatorKey: string;
  readonly consumer: Client;
  readonly consumerKey: string;
  /** Log lines of level error and above: an honest coordinator writes none, whatever it is sent. */
  readonly errors: readonly string[];
  /** Stops it and starts it again over the same data. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const unlimited = { per_second: 1_000_000, burst: 10_000_000 };

export async function openHouse({ settings = {} }: HouseOptions = {}): Promise<House> {
  const dir = await mkdtemp(join(tmpdir(), 'capacloud-house-'));
  const errors: string[] = [];
  const logger = pino({ level: 'error', base: null }, { write: (line: string) => void errors.push(line) });
  const rates = { account: unlimited, address: unlimited, anonymous: unlimited };
  const open = async (port: number): Promise<Coordinator> => {
    const config = readConfig({
      file: JSON.stringify({
        name: 'house.local',
        listen: `127.0.0.1:${port}`,
        data_dir: dir,
        rates,
        ...settings,
      }),
      env: {},
      flags: {},
      cwd: dir,
    });
    if (!config.ok) throw new Error(config.refusal.message);
    return startCoordinator({
      config: config.value,
      version: '0.0.0',
      logger,
      onFatal: (error) => errors.push(`fatal: ${error.stack ?? error.message}`),
      signal: new AbortController().signal,
    });
  };
  let coordinator = await open(0);
  const { url } = coordinator;
  const port = Number(new URL(url).port);
  const operatorKey = (await readFile(join(dir, 'operator.key'), 'utf8')).trim();
  const operator = createClient({ baseUrl: url, apiKey: operatorKey });
  const account = 'acc_fuzz' as AccountId;
  await operator.call('createAccount', { body: { id: account } });
  await operator.call('creditAccount', { params: { account }, body: { amount_nano: `${10n ** 15n}` } });
  const { secret = '' } = await operator.call('createKey', {
    body: { name: 'fuzz', account, scopes: ['consumer'] },
  });
  return {
    url,
    port,
    operator,
    operatorKey,
    consumer: createClient({ baseUrl: url, apiKey: secret }),
    consumerKey: secret,
    errors,
    restart: async () => {
      await coordinator.stop();
      coordinator = await open(port);
    },
    stop: async () => {
      await coordinator.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
