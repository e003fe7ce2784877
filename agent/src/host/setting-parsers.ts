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

/** A value as the owner wrote it, in YAML, the environment or a flag. */
export type RawValue = string | number | boolean;
export type Parsed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly message: string };

function accept(value: unknown): Parsed {
  return { ok: true, value };
}

function complain(message: string): Parsed {
  return { ok: false, message };
}

export const text = (raw: RawValue): Parsed =>
  typeof raw === 'string' && raw !== '' && raw.length <= 4096 ? accept(raw) : complain('must be text');

export function absolutePath(raw: RawValue): Parsed {
  return typeof raw === 'string' && raw.startsWith('/') && raw.length <= 4096
    ? accept(raw)
    : complain('must be an absolute path');
}

export function webSocketUrl(raw: RawValue): Parsed {
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

export const cpuShare = share((raw) => {
  if (typeof raw === 'boolean') return undefined;
  // The environment and flags have text only.
  return parseCpu(typeof raw === 'string' && /^[0-9]+(\.[0-9]{1,3})?$/.test(raw) ? Number(raw) : raw);
}, 'a number of processors such as 4 or 500m');
export const sizeShare = share(
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

export function wholeNumber(minimum: number, maximum: number) {
  return (raw: RawValue): Parsed => {
    const value = typeof raw === 'string' && /^[0-9]{1,6}$/.test(raw) ? Number(raw) : raw;
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum;
    return fits ? accept(value) : complain(`must be a whole number from ${minimum} to ${maximum}`);
  };
}

export function percent(minimum: number, maximum: number) {
  const whole = wholeNumber(minimum, maximum);
  return (raw: RawValue): Parsed => {
    const parsed = typeof raw === 'string' && raw.endsWith('%') ? whole(raw.slice(0, -1)) : complain('');
    return parsed.ok
      ? parsed
      : advise(`must be a share from ${minimum}% to ${maximum}%`, advisePercent(String(raw)));
  };
}

export function timeZone(raw: RawValue): Parsed {
  try {
    if (typeof raw === 'string') new Intl.DateTimeFormat('en-US', { timeZone: raw });
    else return complain('must be a time zone such as Europe/Berlin');
    return accept(raw);
  } catch {
    return complain('must be a time zone such as Europe/Berlin');
  }
}

export function duration(raw: RawValue): Parsed {
  const durationMs = typeof raw === 'string' ? parseDuration(raw) : undefined;
  return durationMs === undefined || durationMs < 1000 || durationMs > maxDurationMs
    ? advise('must be a duration from 1s to 30d, such as 10m or 1h30m', adviseDuration(String(raw)))
    : accept(durationMs);
}

export function flag(raw: RawValue): Parsed {
  if (raw === true || raw === 'true') return accept(true);
  if (raw === false || raw === 'false') return accept(false);
  return complain('must be true or false');
}

export function choice(...values: readonly string[]) {
  return (raw: RawValue): Parsed =>
    typeof raw === 'string' && values.includes(raw)
      ? accept(raw)
      : complain(`must be one of ${values.join(', ')}`);
}

export function address(raw: RawValue): Parsed {
  const lower = typeof raw === 'string' ? raw.toLowerCase() : '';
  return new RegExp(addressPattern).test(lower)
    ? accept(lower)
    : complain('must be a wallet address: 0x and 40 hex digits, in quotes');
}

export function region(raw: RawValue): Parsed {
  const lower = typeof raw === 'string' ? raw.toLowerCase() : '';
  return new RegExp(regionPattern).test(lower)
    ? accept(lower)
    : complain('must be a name such as eu-central: at most 32 letters, digits and dashes');
}
