import { maxDurationMs } from '../capacity/limits.ts';
import { formatSize, parseCpu, parseDecimalNano, parseDuration, parseSize } from '../units.ts';

/** What a person meant by a value that is not of the form of its unit; undefined where that is not clear. */

const sizeUnits: Readonly<Record<string, string>> = { k: 'K', m: 'M', g: 'G', t: 'T' };

const sizeWord = /^(?:[kmgt](?:i|b|ib|igs?)?|(?:kilo|mega|giga|tera|kibi|mebi|gibi|tebi)(?:bytes?)?)$/i;

/** The amount and the decimal unit of `16g`, `16 GB`, `1,5Gi`, `2 gigabytes`; undefined for what is no size. */
function meantSize(text: string): string | undefined {
  const match = /^\s*([0-9]{1,15}(?:[.,][0-9]{1,6})?)\s*([a-zA-Z]{0,10})\s*$/.exec(text);
  const [, number = '', word = ''] = match ?? [];
  const unit = sizeWord.test(word) ? sizeUnits[word.slice(0, 1).toLowerCase()] : undefined;
  if (unit === undefined) return undefined;
  const size = `${number.replace(',', '.')}${unit}`;
  return parseSize(`${size}i`) === undefined ? undefined : size;
}

/** `16g`, `16 GB`, `1,5Gi`, `2 gigabytes`, 16. */
export function sizeHint(value: unknown): string | undefined {
  if (typeof value === 'number')
    return value > 0 && value < 2 ** 50
      ? `a size has a unit: write ${value}Mi or ${value}Gi if that is meant`
      : undefined;
  const size = typeof value === 'string' ? meantSize(value) : undefined;
  return size === undefined ? undefined : `write ${size}i (or ${size}, which is a little less)`;
}

const durationUnits: readonly (readonly [RegExp, number])[] = [
  [/^(ms|millis|msecs?)$/, 0.001],
  [/^(s|secs?|seconds?)$/, 1],
  [/^(m|mins?|minutes?)$/, 60],
  [/^(h|hrs?|hours?)$/, 3600],
  [/^(d|days?)$/, 86_400],
  [/^(w|wks?|weeks?)$/, 604_800],
];

const endless = /^(forever|infinit[ey]|inf|\.inf|none|never|no|unlimited|max|-1|∞)$/;

/** `1.5h`, `90`, `2 hours`, `1h 30m`, `01:30:00`, `1w`, `PT1H30M`, `forever`. */
export function durationHint(value: unknown): string | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || text.length > 64) return undefined;
  const plain = text.trim().toLowerCase();
  if (endless.test(plain)) return 'the longest is 30d';
  if (/^0*[0-9]{1,9}$/.test(plain))
    return Number(plain) === 0
      ? 'the shortest is 1s'
      : `a duration has a unit: write ${Number(plain)}s or ${Number(plain)}m`;
  if (/^[0-9]{1,9}\.[0-9]{1,9}$/.test(plain)) return 'a duration has a unit';
  if (/^[0-9.]{1,9}\s*(?:ms|millis|milliseconds?)$/.test(plain)) return 'the shortest is 1s';
  const seconds = meantSeconds(plain);
  if (seconds !== undefined && seconds * 1000 > maxDurationMs) return 'the longest is 30d';
  return writeDuration(seconds);
}

function meantSeconds(plain: string): number | undefined {
  return clockSeconds(plain) ?? secondsOf(plain.replace(/^p([0-9.]+d)?t?(?=[0-9]|$)/, '$1'));
}

function writeDuration(seconds: number | undefined): string | undefined {
  const written = seconds === undefined ? undefined : wholeUnits(seconds);
  return written === undefined || parseDuration(written) === undefined ? undefined : `write ${written}`;
}

/** `01:30:00`, and `1-12:00:00` as batch systems write a day and a half. */
function clockSeconds(text: string): number | undefined {
  const clock = /^(?:([0-9]{1,3})-)?([0-9]{1,4}):([0-9]{2})(?::([0-9]{2}))?$/.exec(text);
  if (clock === null) return undefined;
  const [, days = 0, hours, minutes, seconds = 0] = clock;
  return Number(days) * 86_400 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

function secondsOf(text: string): number | undefined {
  const parts = [...text.matchAll(/([0-9]{1,9}(?:[.,][0-9]{1,6})?)\s*([a-z]+)/g)];
  // Nothing but these parts, and what people put between them.
  if (
    parts.length === 0 ||
    text.replace(/([0-9]{1,9}(?:[.,][0-9]{1,6})?)\s*([a-z]+)/g, '').replace(/[\s,]|and/g, '') !== ''
  )
    return undefined;
  let total = 0;
  for (const [, number = '', word = ''] of parts) {
    const unit = durationUnits.find(([names]) => names.test(word))?.[1];
    if (unit === undefined) return undefined;
    total += Number(number.replace(',', '.')) * unit;
  }
  return Math.round(total);
}

/** In the largest unit that has no remainder: 90m, not 1h30m, for one and a half hours. */
function wholeUnits(seconds: number): string | undefined {
  if (seconds < 1) return undefined;
  for (const [unit, length] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
  ] as const)
    if (seconds % length === 0) return `${seconds / length}${unit}`;
  return `${seconds}s`;
}

/** `$0.50`, `0,50`, `0.50 USD`, 0.5, `1e-3`. */
export function moneyHint(value: unknown): string | undefined {
  const isShort = typeof value === 'number' || (typeof value === 'string' && value.length <= 32);
  const match = isShort
    ? /^\s*[$€]?\s*([0-9]+(?:[.,][0-9]+)?(?:[eE][-+]?[0-9]{1,2})?)\s*(usd|capa|\$|€)?\s*$/i.exec(`${value}`)
    : null;
  if (match === null) return undefined;
  const [, number = '', currency] = match;
  const amount = /e/i.test(number)
    ? Number(number.replace(',', '.'))
        .toFixed(9)
        .replace(/\.?0+$/, '')
    : number.replace(',', '.');
  if ((parseDecimalNano(amount) ?? 0n) === 0n) return undefined;
  const money = `write "${amount}"`;
  return currency === undefined || !/^(usd|capa)$/i.test(currency)
    ? money
    : `${money}, and currency: ${currency.toUpperCase()} beside it`;
}

/** `2 cores`, `"2"`, `1,5`, `500 m`. */
export function cpuHint(value: unknown): string | undefined {
  const match =
    typeof value === 'string'
      ? /^\s*([0-9]{1,7}(?:[.,][0-9]{1,3})?)\s*(m|c|v?cpus?|cores?)?\s*$/i.exec(value)
      : null;
  if (match === null) return undefined;
  const [, number = '', unit] = match;
  const amount = number.replace(',', '.');
  if (unit?.toLowerCase() === 'm') return `write ${amount}m`;
  return parseCpu(Number(amount)) === undefined ? undefined : `write ${Number(amount)}, without quotes`;
}

export function userHint(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 64) return undefined;
  if (/^root(:root)?$/i.test(value)) return 'write "0", which needs a node whose owner allows root';
  return /^[a-z_]/i.test(value)
    ? 'names are known in the image only: write the number that `id` prints there'
    : undefined;
}

/** Names of variables that other programs take: my-var, spring.datasource.url. */
export function variableHint(value: unknown): string | undefined {
  if (typeof value !== 'string' || !/^[A-Za-z_][A-Za-z0-9_. -]{0,254}$/.test(value)) return undefined;
  const name = value.replace(/[. -]/g, '_');
  return `write ${value.includes('.') ? name.toUpperCase() : name}, if the program takes that`;
}

// Settings are text, and a number in one of them may be what an older release took: `--memory 16` would be 16 bytes, and
// the owner would see only that no job comes. So their advice says what the number is, too.

const bareNumber = /^[0-9]{1,20}(?:\.[0-9]{1,9})?$/;
/** Fewer bytes than this are no memory and no disk that anybody offers: the unit was forgotten. */
export const leastLikelyBytes = 2 ** 20;

/** Whether it is a number and nothing else, which is no size and no duration. */
export function isBareNumber(text: string): boolean {
  return bareNumber.test(text);
}

/** `has no unit: 16 is 16 bytes; write 16Gi`; undefined where nothing is known of what was meant. */
export function adviseSize(text: string): string | undefined {
  if (bareNumber.test(text)) {
    const bytes = parseSize(text);
    if (bytes === undefined || bytes < leastLikelyBytes)
      return `has no unit: ${text} is ${text} bytes; write ${text}Gi`;
    return `has no unit; write ${formatSize(bytes)}`;
  }
  const size = parseSize(text) === undefined ? meantSize(text) : undefined;
  return size === undefined ? undefined : `write ${size}i`;
}

/** `has no unit; write 10s or 10m`, `write 90m`; undefined where nothing is known of what was meant. */
export function adviseDuration(text: string): string | undefined {
  if (/^[0-9]{1,9}$/.test(text)) return `has no unit; write ${text}s or ${text}m`;
  if (bareNumber.test(text)) return 'has no unit';
  if (text.length > 64 || parseDuration(text) !== undefined) return undefined;
  return writeDuration(meantSeconds(text.trim().toLowerCase()));
}

/** `has no unit; write 40%`; undefined where nothing is known of what was meant. */
export function advisePercent(text: string): string | undefined {
  if (!bareNumber.test(text)) return undefined;
  const value = Number(text);
  const percent = value > 0 && value < 1 ? value * 100 : value;
  return percent > 100 ? undefined : `has no unit; write ${Math.max(1, Math.round(percent))}%`;
}
