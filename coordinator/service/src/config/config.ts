import { isAbsolute, resolve } from 'node:path';
import type { Ruleset } from '@capacloud/core/contract/ruleset';
import { nearest } from '@capacloud/protocol/input/nearest';
import { schemaProblems } from '@capacloud/protocol/input/schema';
import { adviseSize, isBareNumber } from '@capacloud/protocol/input/unit-hints';
import { isKeyName } from '@capacloud/protocol/log/signed-note';
import type { Problem, Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import { parseDecimalNano, parseSize } from '@capacloud/protocol/units';
import { Compile } from 'typebox/compile';
import { parse as parseYaml } from 'yaml';
import { proxyFault } from '../client-addresses.ts';
import { defaultJoinLimits, type JoinLimits } from '../join-limits.ts';
import {
  type ConfigFile,
  ConfigFileSchema,
  environmentSettings,
  knownKeys,
  rulesetOf,
} from './config-file.ts';
import { withUnits } from './setting-units.ts';

export interface Config {
  readonly name: string;
  readonly chainId: number;
  /** Absolute. */
  readonly dataDir: string;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly usdPerCapa: string;
  readonly defaultMaxRateNano: bigint;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly corsOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  readonly maxArtifactBytes: number;
  readonly accountArtifactBytes: number;
  readonly totalArtifactBytes: number;
  readonly logDays: number;
  readonly jobLogBytes: number;
  readonly retention: {
    readonly jobs: number;
    readonly receipts: number;
    readonly artifacts: number | undefined;
  };
  readonly snapshotEvents: number;
  readonly joins: JoinLimits;
  readonly rates: {
    readonly [K in 'account' | 'address' | 'anonymous' | 'jobBytes']: {
      readonly perSecond: number;
      readonly burst: number;
    };
  };
  readonly ruleset: Ruleset;
}

export interface ConfigSources {
  /** Text of the YAML file; undefined when there is none. */
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By key of the file; undefined where the flag was not given. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

const checkFile = Compile(ConfigFileSchema);
/** What holds where neither a file, the environment nor a flag says otherwise. */
export const defaultConfig: ConfigFile = {
  name: 'capacloud.local',
  chain_id: 31337,
  data_dir: './capacloud-data',
  listen: '127.0.0.1:8080',
  usd_per_capa: '0.10',
  default_max_rate: '100',
  log_level: 'info',
  cors_origins: [],
  trusted_proxies: [],
  artifacts: { max_size: '64Gi', account_quota: '256Gi', total: '1Ti' },
  rates: {
    account: { per_second: 200, burst: 1000 },
    address: { per_second: 500, burst: 2000 },
    anonymous: { per_second: 20, burst: 100 },
    job_bytes: { per_second: 2 ** 20, burst: 2 ** 24 },
  },
  joins: {
    address_per_hour: defaultJoinLimits.addressJoinsPerHour,
    network_per_hour: defaultJoinLimits.networkJoinsPerHour,
    all_per_hour: defaultJoinLimits.allJoinsPerHour,
  },
  log_days: 30,
  job_log_quota: '1Gi',
  retention: { jobs_days: 90, receipts_days: 365 },
  snapshot_events: 100_000,
};

/** Flags over environment over file over defaultConfig. Refuses with every problem that it finds. */
export function readConfig(sources: ConfigSources): Result<Config> {
  let file: unknown;
  try {
    file =
      sources.file === undefined
        ? {}
        : (parseYaml(sources.file, { maxAliasCount: 0, logLevel: 'error' }) ?? {});
  } catch (error) {
    return invalid([{ pointer: '', message: `The file is not YAML: ${(error as Error).message}` }]);
  }
  if (typeof file !== 'object' || file === null || Array.isArray(file))
    return invalid([{ pointer: '', message: 'The file must hold settings, a key and a value each.' }]);
  const problems = [
    ...unknownKeys(file as Record<string, unknown>, knownKeys, ''),
    ...unknownVariables(sources.env),
  ];
  const merged = merge(file as Record<string, unknown>, sources);
  if (problems.length > 0) return invalid(problems);
  const found = schemaProblems(checkFile, merged);
  return found.length > 0
    ? invalid(withUnits(found, merged))
    : convert(merged as unknown as ConfigFile, sources.cwd);
}

function merge(file: Record<string, unknown>, { env, flags }: ConfigSources): Record<string, unknown> {
  const merged: Record<string, unknown> = {
    ...defaultConfig,
    ...file,
    artifacts: { ...defaultConfig.artifacts, ...(file.artifacts as object | undefined) },
    rates: { ...defaultConfig.rates, ...(file.rates as object | undefined) },
    joins: { ...defaultConfig.joins, ...(file.joins as object | undefined) },
    retention: { ...defaultConfig.retention, ...(file.retention as object | undefined) },
  };
  for (const [key, variable] of Object.entries(environmentSettings)) {
    const text = flags[key] ?? env[variable];
    if (text !== undefined)
      merged[key] = typeof defaultConfig[key as keyof ConfigFile] === 'number' ? Number(text) : text;
  }
  return merged;
}

interface KeyTree {
  readonly [key: string]: KeyTree | null;
}

function unknownKeys(value: Record<string, unknown>, known: KeyTree, pointer: string): Problem[] {
  return Object.entries(value).flatMap(([key, inner]) => {
    const branch = Object.hasOwn(known, key) ? known[key] : undefined;
    if (branch === undefined) {
      const guess = nearest(key, Object.keys(known));
      const message = guess === undefined ? 'is not a setting' : `is not a setting; did you mean ${guess}?`;
      return [{ pointer: `${pointer}/${key}`, message }];
    }
    const isTree = branch !== null && typeof inner === 'object' && inner !== null && !Array.isArray(inner);
    return isTree ? unknownKeys(inner as Record<string, unknown>, branch, `${pointer}/${key}`) : [];
  });
}

/** Other programs have variables of the same prefix; only what looks like a slip is refused. */
function unknownVariables(env: ConfigSources['env']): Problem[] {
  const known = [...Object.values(environmentSettings), 'CAPACLOUD_CONFIG'];
  return Object.keys(env).flatMap((variable) => {
    if (!variable.startsWith('CAPACLOUD_') || known.includes(variable) || foreignVariables.includes(variable))
      return [];
    const guess = nearest(variable, known);
    return guess === undefined ? [] : [{ pointer: variable, message: `is not read; did you mean ${guess}?` }];
  });
}
const foreignVariables = ['CAPACLOUD_URL', 'CAPACLOUD_API_KEY'];

function convert(file: ConfigFile, cwd: string): Result<Config> {
  const problems: Problem[] = [];
  const need = <T>(value: T | undefined, pointer: string, message: string, fallback: T): T => {
    if (value === undefined) problems.push({ pointer, message });
    return value ?? fallback;
  };
  const size = (text: string, pointer: string): number => {
    const advice = adviseSize(text);
    const message = `must be a size such as 64Gi${advice === undefined ? '' : `; ${advice}`}`;
    return need<number>(isBareNumber(text) ? undefined : parseSize(text), pointer, message, 0);
  };
  const usd = need<bigint>(
    parseDecimalNano(file.usd_per_capa),
    '/usd_per_capa',
    'must be a decimal amount',
    1n,
  );
  if (usd === 0n) problems.push({ pointer: '/usd_per_capa', message: 'must be more than 0' });
  for (const [index, text] of file.trusted_proxies.entries()) {
    const message = proxyFault(text);
    if (message !== undefined) problems.push({ pointer: `/trusted_proxies/${index}`, message });
  }
  if (!isKeyName(file.name)) problems.push({ pointer: '/name', message: 'must have no spaces and no plus' });
  const { host, port } = need(
    parseListen(file.listen),
    '/listen',
    'must be HOST:PORT, for example 127.0.0.1:8080',
    {
      host: '',
      port: 0,
    },
  );
  const config: Config = {
    name: file.name,
    chainId: file.chain_id,
    dataDir: isAbsolute(file.data_dir) ? file.data_dir : resolve(cwd, file.data_dir),
    host,
    port,
    usdPerCapa: file.usd_per_capa,
    defaultMaxRateNano: need<bigint>(
      parseDecimalNano(file.default_max_rate),
      '/default_max_rate',
      'must be an amount of CAPA an hour, for example 0.50',
      0n,
    ),
    logLevel: file.log_level,
    corsOrigins: file.cors_origins,
    trustedProxies: file.trusted_proxies,
    maxArtifactBytes: size(file.artifacts.max_size, '/artifacts/max_size'),
    accountArtifactBytes: size(file.artifacts.account_quota, '/artifacts/account_quota'),
    totalArtifactBytes: size(file.artifacts.total, '/artifacts/total'),
    logDays: file.log_days,
    jobLogBytes: size(file.job_log_quota, '/job_log_quota'),
    retention: {
      jobs: file.retention.jobs_days,
      receipts: file.retention.receipts_days,
      artifacts: file.retention.artifacts_days,
    },
    snapshotEvents: file.snapshot_events,
    joins: {
      addressJoinsPerHour: file.joins.address_per_hour,
      networkJoinsPerHour: file.joins.network_per_hour,
      allJoinsPerHour: file.joins.all_per_hour,
    },
    rates: ratesOf(file.rates),
    ruleset: rulesetOf(file.rules),
  };
  return problems.length > 0 ? invalid(problems) : accept(config);
}

function ratesOf(rates: ConfigFile['rates']): Config['rates'] {
  return {
    account: rateOf(rates.account),
    address: rateOf(rates.address),
    anonymous: rateOf(rates.anonymous),
    jobBytes: rateOf(rates.job_bytes),
  };
}

function rateOf(rate: { readonly per_second: number; readonly burst: number }) {
  return { perSecond: rate.per_second, burst: rate.burst };
}

function parseListen(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > 65_535) return undefined;
  return { host: match[1].replace(/^\[|\]$/g, ''), port };
}

function invalid(problems: readonly Problem[]): Result<never> {
  const lines = problems.map(
    ({ pointer, message }) => `${pointer === '' ? 'configuration' : pointer} ${message}`,
  );
  return refuse('config.invalid', lines.join('\n'), { problems });
}
