import { regionPattern } from '@capacloud/protocol/capacity/labels';
import { maxDurationMs } from '@capacloud/protocol/capacity/limits';
import { addressPattern } from '@capacloud/protocol/ids';
import {
  adviseDuration,
  advisePercent,
  adviseSize,
  isBareNumber,
} from '@capacloud/protocol/input/unit-hints';
import { parseCpu, parseDecimalNano, parseDuration, parseSize } from '@capacloud/protocol/units';
import { acceptedFlaws } from './flaws-setting.ts';
import { localImages, registries } from './image-settings.ts';
import { labels } from './labels-setting.ts';
import { uidRange } from './uid-setting.ts';

/** A value as the owner wrote it, in YAML, the environment or a flag. */
export type RawValue = string | number | boolean;
export type Parsed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string };

export interface Setting {
  /** Path in the file: resources.cpu. */
  readonly key: string;
  readonly help: string;
  /** What the owner may write; the flag shows it. */
  readonly shape: string;
  readonly parse: (raw: RawValue) => Parsed;
  /** The file holds a map, which is parsed as its JSON. */
  readonly isMap?: true;
  /** The file holds a list of texts, which are joined with commas. */
  readonly isList?: true;
}

function accept(value: unknown): Parsed {
  return { ok: true, value };
}

function complain(message: string): Parsed {
  return { ok: false, message };
}

const text = (raw: RawValue): Parsed =>
  typeof raw === 'string' && raw !== '' && raw.length <= 4096 ? accept(raw) : complain('must be text');

function absolutePath(raw: RawValue): Parsed {
  return typeof raw === 'string' && raw.startsWith('/') && raw.length <= 4096
    ? accept(raw)
    : complain('must be an absolute path');
}

function webSocketUrl(raw: RawValue): Parsed {
  const url = typeof raw === 'string' ? URL.parse(raw) : null;
  const known = url !== null && ['ws:', 'wss:'].includes(url.protocol) && url.hostname !== '';
  if (!known) return complain('must be a WebSocket URL, such as wss://coordinator.example/v1/session');
  if (url.username !== '' || url.password !== '') return complain('must not hold a user name or password');
  return accept(url.pathname === '/' ? `${url.protocol}//${url.host}/v1/session` : url.href);
}

/** What it must be, and where it can be told what was meant, what to write for it. */
function advise(message: string, advice: string | undefined): Parsed {
  return complain(advice === undefined ? message : `${message}; ${advice}`);
}

function share(
  measure: (raw: RawValue) => number | undefined,
  example: string,
  adviceFor: (text: string) => string | undefined = () => undefined,
) {
  return (raw: RawValue): Parsed => {
    const percent = typeof raw === 'string' ? /^([1-9][0-9]?|100)%$/.exec(raw)?.[1] : undefined;
    if (percent !== undefined) return accept({ kind: 'percent', value: Number(percent) });
    const value = measure(raw);
    return value === undefined
      ? advise(`must be ${example}, or a share such as 50%`, adviceFor(String(raw)))
      : accept({ kind: 'amount', value });
  };
}

const cpuShare = share((raw) => {
  if (typeof raw === 'boolean') return undefined;
  // The environment and flags have text only.
  return parseCpu(typeof raw === 'string' && /^[0-9]+(\.[0-9]{1,3})?$/.test(raw) ? Number(raw) : raw);
}, 'a number of processors such as 4 or 500m');
const sizeShare = share(
  (raw) => (typeof raw === 'string' && !isBareNumber(raw) ? parseSize(raw) : undefined),
  'a size such as 16Gi',
  adviseSize,
);

export function price(raw: RawValue): Parsed {
  const isText = typeof raw === 'string' || typeof raw === 'number';
  const nano = isText ? parseDecimalNano(String(raw)) : undefined;
  return nano === undefined || nano > 10n ** 18n
    ? complain('must be an amount of CAPA such as "0.05"')
    : accept(nano.toString());
}

function wholeNumber(minimum: number, maximum: number) {
  return (raw: RawValue): Parsed => {
    const value = typeof raw === 'string' && /^[0-9]{1,6}$/.test(raw) ? Number(raw) : raw;
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum;
    return fits ? accept(value) : complain(`must be a whole number from ${minimum} to ${maximum}`);
  };
}

function percent(minimum: number, maximum: number) {
  const whole = wholeNumber(minimum, maximum);
  return (raw: RawValue): Parsed => {
    const parsed = typeof raw === 'string' && raw.endsWith('%') ? whole(raw.slice(0, -1)) : complain('');
    return parsed.ok
      ? parsed
      : advise(`must be a share from ${minimum}% to ${maximum}%`, advisePercent(String(raw)));
  };
}

function timeZone(raw: RawValue): Parsed {
  try {
    if (typeof raw === 'string') new Intl.DateTimeFormat('en-US', { timeZone: raw });
    else return complain('must be a time zone such as Europe/Berlin');
    return accept(raw);
  } catch {
    return complain('must be a time zone such as Europe/Berlin');
  }
}

function duration(raw: RawValue): Parsed {
  const durationMs = typeof raw === 'string' ? parseDuration(raw) : undefined;
  return durationMs === undefined || durationMs < 1000 || durationMs > maxDurationMs
    ? advise('must be a duration from 1s to 30d, such as 10m or 1h30m', adviseDuration(String(raw)))
    : accept(durationMs);
}

function flag(raw: RawValue): Parsed {
  if (raw === true || raw === 'true') return accept(true);
  if (raw === false || raw === 'false') return accept(false);
  return complain('must be true or false');
}

function choice(...values: readonly string[]) {
  return (raw: RawValue): Parsed =>
    typeof raw === 'string' && values.includes(raw)
      ? accept(raw)
      : complain(`must be one of ${values.join(', ')}`);
}

function address(raw: RawValue): Parsed {
  const lower = typeof raw === 'string' ? raw.toLowerCase() : '';
  return new RegExp(addressPattern).test(lower)
    ? accept(lower)
    : complain('must be a wallet address: 0x and 40 hex digits, in quotes');
}

function region(raw: RawValue): Parsed {
  const lower = typeof raw === 'string' ? raw.toLowerCase() : '';
  return new RegExp(regionPattern).test(lower)
    ? accept(lower)
    : complain('must be a name such as eu-central: at most 32 letters, digits and dashes');
}

/** Every setting there is. The file, the environment and the flags all come from this list. */
export const settings = [
  { key: 'coordinator', shape: 'url', help: 'WebSocket URL of the coordinator', parse: webSocketUrl },
  {
    key: 'coordinator_name',
    shape: 'name',
    help: 'the only name that the coordinator may give itself (default: the one it had at first)',
    parse: text,
  },
  { key: 'state_dir', shape: 'dir', help: 'folder for the journal, logs and caches', parse: absolutePath },
  {
    key: 'key_file',
    shape: 'file',
    help: 'private key of the node (default: node.key in the state folder)',
    parse: absolutePath,
  },
  {
    key: 'provider',
    shape: 'address',
    help: 'wallet address that is paid (default: that of the key)',
    parse: address,
  },
  {
    key: 'ca_file',
    shape: 'file',
    help: 'certificates (PEM) to trust beside those of the system, for a coordinator or proxy with a CA of its own',
    parse: absolutePath,
  },
  { key: 'docker_socket', shape: 'file', help: 'socket of the Docker engine', parse: absolutePath },
  { key: 'resources.cpu', shape: 'n', help: 'processors to offer: 4, 500m or 50%', parse: cpuShare },
  { key: 'resources.memory', shape: 'size', help: 'memory to offer: 16Gi or 50%', parse: sizeShare },
  {
    key: 'resources.disk',
    shape: 'size',
    help: 'scratch disk to offer: 100Gi, or a share of what is free; of half of the memory where scratch is memory',
    parse: sizeShare,
  },
  {
    key: 'resources.images',
    shape: 'size',
    help: 'room for images that the agent pulls, on the disk of Docker: 100Gi, or a share of what is free',
    parse: sizeShare,
  },
  { key: 'resources.slots', shape: 'n', help: 'containers at once', parse: wholeNumber(1, 1024) },
  { key: 'ask.cpu_hour', shape: 'capa', help: 'price of a processor for an hour', parse: price },
  { key: 'ask.memory_gib_hour', shape: 'capa', help: 'price of a GiB of memory for an hour', parse: price },
  { key: 'ask.disk_gib_hour', shape: 'capa', help: 'price of a GiB of disk for an hour', parse: price },
  { key: 'ask.device_hour', shape: 'capa', help: 'price of a GPU for an hour', parse: price },
  {
    key: 'ask.interruptible_discount',
    shape: 'percent',
    help: 'sell to interruptible tasks for so much less, such as 40%; they stop for those that pay in full',
    parse: percent(1, 95),
  },
  { key: 'region', shape: 'name', help: 'where the machine is, such as eu-central', parse: region },
  {
    key: 'labels',
    shape: 'k=v,…',
    help: 'words of your own that jobs may ask for, such as tier=gold',
    parse: labels,
    isMap: true,
  },
  {
    key: 'ask.time_zone',
    shape: 'zone',
    help: 'time zone of ask.schedule (default: that of the machine)',
    parse: timeZone,
  },
  {
    key: 'min_run',
    shape: 'duration',
    help: 'take no tasks whose timeout is shorter, such as 10m',
    parse: duration,
  },
  {
    key: 'registries',
    shape: 'host,…',
    help: 'registries that images may come from: default (the public ones), HOST, HOST:PORT, *.DOMAIN, * (any public one)',
    parse: registries,
    isList: true,
  },
  {
    key: 'local_images',
    shape: 'image,…',
    help: 'images on the engine that tasks may use although the agent did not pull them: company/app:1, company/*',
    parse: localImages,
    isList: true,
  },
  { key: 'allow_root', shape: 'bool', help: 'take images that run as root', parse: flag },
  {
    key: 'task_uids',
    shape: 'first-last',
    help: 'user ids to give to containers, each its own (default: 2048 of those that no system uses)',
    parse: uidRange,
  },
  {
    key: 'accepted_flaws',
    shape: 'CVE,…',
    help: 'flaws of Docker or runc that your distribution mended under an older number',
    parse: acceptedFlaws,
    isList: true,
  },
  { key: 'share_devices', shape: 'bool', help: 'let several tasks share a GPU', parse: flag },
  {
    key: 'scratch',
    shape: 'kind',
    help: 'where scratch lives: auto, memory or loop',
    parse: choice('auto', 'memory', 'loop'),
  },
  {
    key: 'log_level',
    shape: 'level',
    help: 'debug, info, warn or error',
    parse: choice('debug', 'info', 'warn', 'error'),
  },
  {
    key: 'status_socket',
    shape: 'file',
    help: 'socket that status talks to (default: agent.sock in the state folder)',
    parse: absolutePath,
  },
] as const satisfies readonly Setting[];
