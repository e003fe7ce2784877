import { childOf, type Element, textOf } from './element.ts';

/** Texts in place of a value that say "there is none here", and not that anything is wrong. */
const unavailable = new Set([
  '',
  '-',
  'n/a',
  'not supported',
  'not available',
  'not applicable',
  'not found',
  'unknown',
  'undefined',
  'deprecated',
  'no data',
  'function not found',
  'insufficient permissions',
  'no permission',
  'requested functionality has been deprecated',
]);

/** NVML's failures as nvidia-smi prints them in place of a value, in lower case. */
const failures = [
  /^err(or)?!?$/,
  /^unknown error\b/,
  /\bgpu (is lost|is inaccessible|requires (a )?reset)\b/,
  /\bfallen off the bus\b/,
  /^corrupted inforom\b/,
  /^(in-?forom|firmware) (is )?corrupted\b/,
  /^driver\/library version mismatch\b/,
  /^(query )?time(d )?out\b/,
  /^(unable to|failed to|could not) /,
  /^(internal|driver|irq) (error|issue)\b/,
];

/** The text as nvidia-smi means it: `[N/A]` is `N/A`. */
function bare(text: string): string {
  const inner = /^\[(.*)\]$/.exec(text)?.[1];
  return (inner ?? text).trim().toLowerCase();
}

export function isFailureText(text: string): boolean {
  if (text.length > 200) return false;
  const lower = bare(text);
  return failures.some((pattern) => pattern.test(lower));
}

/** The text at a path, or `undefined` where it stands for no value. */
export function readText(element: Element, ...path: readonly string[]): string | undefined {
  const text = textOf(childOf(element, ...path));
  return unavailable.has(bare(text)) || isFailureText(text) ? undefined : text;
}

type Units = Readonly<Record<string, number>>;

// Drivers before 319 printed MB for what is MiB.
const kibi = 1024;
const bytes: Units = {
  b: 1,
  bytes: 1,
  kb: kibi,
  kib: kibi,
  mb: kibi ** 2,
  mib: kibi ** 2,
  gb: kibi ** 3,
  gib: kibi ** 3,
  tb: kibi ** 4,
  tib: kibi ** 4,
};
// NVML counts PCIe traffic in thousands of bytes.
const bytesPerSecond: Units = {
  'b/s': 1,
  'kb/s': 1e3,
  'kib/s': 1024,
  'mb/s': 1e6,
  'mib/s': 1024 ** 2,
  'gb/s': 1e9,
};
const hertz: Units = { hz: 1, khz: 1e3, mhz: 1e6, ghz: 1e9 };

/** Every unit is written as multiplier or, to keep decimals exact, as divisor. */
function readQuantity(text: string, multipliers: Units, divisors: Units = {}): number | undefined {
  const match = /^([+-]?\d{1,17}(?:\.\d{1,17})?)\s*([a-z%°/()]{0,12})$/i.exec(text);
  if (match === null) return undefined;
  const amount = Number(match[1]);
  const unit = (match[2] ?? '').toLowerCase();
  if (Object.hasOwn(multipliers, unit)) return amount * (multipliers[unit] ?? Number.NaN);
  if (Object.hasOwn(divisors, unit)) return amount / (divisors[unit] ?? Number.NaN);
  return undefined;
}

function unlessNegative(amount: number | undefined): number | undefined {
  return amount !== undefined && amount >= 0 && amount <= Number.MAX_SAFE_INTEGER ? amount : undefined;
}

type Read<T> = (element: Element, ...path: readonly string[]) => T | undefined;

function reader<T>(convert: (text: string) => T | undefined): Read<T> {
  return (element, ...path) => convert(textOf(childOf(element, ...path)));
}

export const readBytes = reader((text) => {
  const amount = unlessNegative(readQuantity(text, bytes));
  return amount === undefined ? undefined : Math.round(amount);
});
export const readBytesPerSecond = reader((text) => unlessNegative(readQuantity(text, bytesPerSecond)));
export const readHertz = reader((text) => unlessNegative(readQuantity(text, hertz)));
export const readWatts = reader((text) => unlessNegative(readQuantity(text, { w: 1, kw: 1e3 }, { mw: 1e3 })));
export const readVolts = reader((text) => unlessNegative(readQuantity(text, { v: 1 }, { mv: 1e3, uv: 1e6 })));
/** May be negative: distances to a thermal limit are. */
export const readCelsius = reader((text) => readQuantity(text, { c: 1, '°c': 1 }));

/** Fans are known to report a little more than all; twice as much is no reading. */
export const readRatio = reader((text) => {
  const ratio = unlessNegative(readQuantity(text, {}, { '%': 100 }));
  return ratio === undefined || ratio > 2 ? undefined : Math.min(1, ratio);
});

export const readCount = reader((text) => {
  const count = unlessNegative(readQuantity(text, { '': 1, 'bank(s)': 1 }));
  return count !== undefined && Number.isInteger(count) ? count : undefined;
});

/** Lanes: `16x`, in some versions `x16`. */
export const readLanes = reader((text) => {
  const lanes = /^x?(\d{1,3})x?$/i.exec(text)?.[1];
  return lanes === undefined ? undefined : Number(lanes);
});

export const readFlag = reader((text) => {
  switch (bare(text)) {
    case 'yes':
    case 'enabled':
    case 'active':
    case 'true':
    case 'on':
      return true;
    case 'no':
    case 'disabled':
    case 'not active':
    case 'inactive':
    case 'false':
    case 'off':
      return false;
    default:
      return undefined;
  }
});
