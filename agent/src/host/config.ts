import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LabelsSchema, RegionSchema } from '@capacloud/protocol/capacity/labels';
import { maxDurationMs } from '@capacloud/protocol/capacity/limits';
import type { Ask } from '@capacloud/protocol/capacity/resources';
import { AskSchema } from '@capacloud/protocol/capacity/resources-schema';
import { AddressSchema } from '@capacloud/protocol/ids-schema';
import { nearest } from '@capacloud/protocol/input/nearest';
import { schemaProblems } from '@capacloud/protocol/input/schema';
import { type Problem, type Result, refuse } from '@capacloud/protocol/result';
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { parse as parseYaml } from 'yaml';
import { maxLocalImages } from '../core/local-images.ts';
import { maxRegistries } from '../core/registries.ts';
import { OwnerMustAct } from './failure.ts';
import { AcceptedFlawsSchema } from './flaws-setting.ts';
import {
  maxPeriods,
  PeriodSchema,
  periodOf,
  readSchedule,
  scheduleKey,
  type WrittenPeriod,
} from './schedule-setting.ts';
import { type Setting, settings } from './setting.ts';
import { defaults } from './setting-defaults.ts';
import { type RawValue } from './setting-parsers.ts';
import { UidRangeSchema } from './uid-setting.ts';

const closed = { additionalProperties: false } as const;
const Path = Type.String({ pattern: '^/' });
const ShareSchema = Type.Object(
  {
    kind: Type.Union([Type.Literal('amount'), Type.Literal('percent')]),
    value: Type.Integer({ minimum: 0 }),
  },
  closed,
);

const logLevels = ['debug', 'info', 'warn', 'error'] as const;

const ConfigSchema = Type.Object(
  {
    coordinator: Type.String({ pattern: '^wss?://' }),
    coordinatorName: Type.Optional(Type.String({ maxLength: 253 })),
    stateDir: Path,
    keyFile: Path,
    provider: Type.Optional(AddressSchema),
    caFile: Type.Optional(Path),
    dockerSocket: Path,
    resources: Type.Object(
      {
        cpu: ShareSchema,
        memory: ShareSchema,
        disk: ShareSchema,
        images: ShareSchema,
        slots: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
      },
      closed,
    ),
    ask: AskSchema,
    region: Type.Optional(RegionSchema),
    labels: Type.Optional(LabelsSchema),
    schedule: Type.Optional(
      Type.Object(
        {
          timeZone: Type.String(),
          periods: Type.Array(PeriodSchema, { minItems: 1, maxItems: maxPeriods }),
        },
        closed,
      ),
    ),
    minRunMs: Type.Optional(Type.Integer({ minimum: 1000, maximum: maxDurationMs })),
    interruptibleDiscountPercent: Type.Optional(Type.Integer({ minimum: 1, maximum: 95 })),
    registries: Type.Array(Type.String({ maxLength: 300 }), { minItems: 1, maxItems: maxRegistries }),
    localImages: Type.Array(Type.String({ maxLength: 512 }), { maxItems: maxLocalImages }),
    allowRoot: Type.Boolean(),
    taskUids: Type.Optional(UidRangeSchema),
    acceptedFlaws: Type.Optional(AcceptedFlawsSchema),
    shareDevices: Type.Boolean(),
    scratch: Type.Union([Type.Literal('auto'), Type.Literal('memory'), Type.Literal('loop')]),
    logLevel: Type.Unsafe<(typeof logLevels)[number]>(Type.String({ enum: [...logLevels] })),
    statusSocket: Path,
  },
  closed,
);
export type AgentConfig = Static<typeof ConfigSchema>;
const validator = Compile(ConfigSchema);

export const defaultConfigFile = '/etc/capacloud/agent.yaml';
const envPrefix = 'CAPACLOUD_AGENT_';
/** Names the file, so it is no setting in it. */
const configVariable = `${envPrefix}CONFIG`;

export interface ConfigSources {
  /** Text of the file; undefined when there is none. */
  readonly file: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By setting key. */
  readonly flags: Readonly<Record<string, RawValue>>;
}

/** Text of the configuration file. One that was asked for must exist; the default one may be missing. */
export async function readConfigFile(
  asked: string | undefined,
  env: ConfigSources['env'],
): Promise<{ readonly path: string; readonly text: string | undefined }> {
  const named = asked ?? env[configVariable];
  const path = named ?? defaultConfigFile;
  try {
    return { path, text: await readFile(path, 'utf8') };
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    if (missing && named === undefined) return { path, text: undefined };
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OwnerMustAct(
      {
        code: 'config.invalid',
        message: `the configuration file ${path} cannot be read: ${why}`,
        hint: 'Name another with --config, or write one: capacloud-agent setup.',
      },
      { cause },
    );
  }
}

/** The name of a setting in the environment: resources.cpu is CAPACLOUD_AGENT_RESOURCES_CPU. */
export function environmentName(key: string): string {
  return envPrefix + key.replace('.', '_').toUpperCase();
}

/** File, then environment, then flags, each over the one before; nothing unknown is passed over in silence. */
export function resolveConfig(sources: ConfigSources): Result<AgentConfig> {
  const problems: Problem[] = [];
  const raw = new Map<string, RawValue>(Object.entries(defaults));
  const file = flatten(sources.file, problems);
  for (const [key, value] of file.values) raw.set(key, value);
  for (const [key, value] of fromEnvironment(sources.env, problems)) raw.set(key, value);
  for (const [key, value] of Object.entries(sources.flags)) raw.set(key, value);
  const parsed = new Map<string, unknown>();
  for (const setting of settings) {
    const value = raw.get(setting.key);
    if (value === undefined) continue;
    const result = setting.parse(value);
    if (result.ok) parsed.set(setting.key, result.value);
    else problems.push({ pointer: setting.key, message: result.message });
  }
  if (!raw.has('coordinator'))
    problems.push({ pointer: 'coordinator', message: 'is needed: run capacloud-agent setup' });
  if (problems.length > 0) return invalid(problems);
  const config = shape(parsed, file.periods);
  const found = schemaProblems(validator, config);
  return found.length > 0 ? invalid(found) : { ok: true, value: config as AgentConfig };
}

function invalid(problems: readonly Problem[]): Result<never> {
  const text = problems
    .map(({ pointer, message }) => `${pointer === '' ? 'the file' : pointer} ${message}`)
    .join('; ');
  return refuse('config.invalid', text, { problems });
}

function unknownKey(key: string, known: readonly string[]): Problem {
  const guess = nearest(key, known);
  return {
    pointer: key,
    message: guess === undefined ? 'is not a setting' : `is not a setting; did you mean ${guess}?`,
  };
}

const keys: readonly string[] = settings.map((setting: Setting) => setting.key);
const maps = new Set(settings.filter((setting: Setting) => setting.isMap).map(({ key }) => key as string));
const lists = new Set(settings.filter((setting: Setting) => setting.isList).map(({ key }) => key as string));
const groups = new Set(keys.filter((key) => key.includes('.')).map((key) => key.slice(0, key.indexOf('.'))));

interface FileSettings {
  readonly values: ReadonlyMap<string, RawValue>;
  readonly periods: readonly WrittenPeriod[];
}

function flatten(file: string | undefined, problems: Problem[]): FileSettings {
  const values = new Map<string, RawValue>();
  const none: FileSettings = { values, periods: [] };
  if (file === undefined) return none;
  let tree: unknown;
  try {
    tree = parseYaml(file, { maxAliasCount: 0, logLevel: 'error' }) as unknown;
  } catch (error) {
    problems.push({ pointer: '', message: `is not YAML: ${error instanceof Error ? error.message : ''}` });
    return none;
  }
  if (tree === null || tree === undefined) return none;
  if (typeof tree !== 'object' || Array.isArray(tree)) {
    problems.push({ pointer: '', message: 'must be a list of settings such as "coordinator: wss://…"' });
    return none;
  }
  let periods: readonly WrittenPeriod[] = [];
  const visit = (branch: object, prefix: string) => {
    for (const [name, value] of Object.entries(branch)) {
      const key = `${prefix}${name}`;
      if (groups.has(key) && typeof value === 'object' && value !== null && !Array.isArray(value)) {
        visit(value as object, `${key}.`);
      } else if (key === scheduleKey) {
        periods = readSchedule(value, problems);
      } else if (!keys.includes(key)) {
        problems.push(
          groups.has(key)
            ? { pointer: key, message: 'must hold settings of its own' }
            : unknownKey(key, [...keys, ...groups]),
        );
      } else if (maps.has(key) && typeof value === 'object' && value !== null && !Array.isArray(value)) {
        values.set(key, JSON.stringify(value));
      } else if (lists.has(key) && Array.isArray(value) && value.every((item) => typeof item === 'string')) {
        values.set(key, value.join(','));
      } else if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
        values.set(key, value);
      } else {
        const message = lists.has(key) ? 'must be a list of texts' : 'must be a single value';
        problems.push({ pointer: key, message: maps.has(key) ? 'must be a map' : message });
      }
    }
  };
  visit(tree, '');
  return { values, periods };
}

function fromEnvironment(env: ConfigSources['env'], problems: Problem[]): ReadonlyMap<string, RawValue> {
  const names = new Map(keys.map((key) => [environmentName(key), key]));
  const values = new Map<string, RawValue>();
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !name.startsWith(envPrefix) || name === configVariable) continue;
    const key = names.get(name);
    if (key === undefined) problems.push(unknownKey(name, [...names.keys()]));
    else values.set(key, value);
  }
  return values;
}

function shape(parsed: ReadonlyMap<string, unknown>, periods: readonly WrittenPeriod[]): unknown {
  const stateDir = parsed.get('state_dir') as string;
  const optional = (name: string, key: string) => (parsed.has(key) ? { [name]: parsed.get(key) } : {});
  const ask = {
    cpuHourNano: parsed.get('ask.cpu_hour'),
    memoryGibHourNano: parsed.get('ask.memory_gib_hour'),
    diskGibHourNano: parsed.get('ask.disk_gib_hour'),
    deviceHourNano: parsed.get('ask.device_hour'),
  } as Ask;
  const timeZone = parsed.get('ask.time_zone') ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
  return {
    coordinator: parsed.get('coordinator'),
    ...optional('coordinatorName', 'coordinator_name'),
    stateDir,
    keyFile: parsed.get('key_file') ?? join(stateDir, 'node.key'),
    ...optional('provider', 'provider'),
    ...optional('caFile', 'ca_file'),
    dockerSocket: parsed.get('docker_socket'),
    resources: {
      cpu: parsed.get('resources.cpu'),
      memory: parsed.get('resources.memory'),
      disk: parsed.get('resources.disk'),
      images: parsed.get('resources.images'),
      ...optional('slots', 'resources.slots'),
    },
    ask,
    ...(periods.length === 0
      ? {}
      : { schedule: { timeZone, periods: periods.map((period) => periodOf(period, ask)) } }),
    ...optional('minRunMs', 'min_run'),
    ...optional('interruptibleDiscountPercent', 'ask.interruptible_discount'),
    ...optional('region', 'region'),
    ...optional('labels', 'labels'),
    registries: parsed.get('registries'),
    localImages: parsed.get('local_images') ?? [],
    allowRoot: parsed.get('allow_root'),
    ...optional('taskUids', 'task_uids'),
    ...optional('acceptedFlaws', 'accepted_flaws'),
    shareDevices: parsed.get('share_devices'),
    scratch: parsed.get('scratch'),
    logLevel: parsed.get('log_level'),
    statusSocket: parsed.get('status_socket') ?? join(stateDir, 'agent.sock'),
  };
}

/** Where a fresh set-up puts the key when nothing else is said: beside the configuration. */
export function keyFileBeside(configFile: string): string {
  return join(dirname(configFile), 'agent.key');
}
