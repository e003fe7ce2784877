import type { Branded } from './ids.ts';

/** Whole bytes, 0 to 2^53-1. */
export type Bytes = Branded<number, 'Bytes'>;
/** Whole milliseconds, 0 to 2^53-1. */
export type DurationMs = Branded<number, 'DurationMs'>;
/** Thousandths of a CPU core. */
export type MilliCpu = Branded<number, 'MilliCpu'>;
/** 10^-9 CAPA. Money is never a float. */
export type NanoCapa = Branded<bigint, 'NanoCapa'>;

/** The largest amount that a signed 64-bit column holds. */
export const maxNano = (2n ** 63n - 1n) as NanoCapa;
export const maxMilliCpu = 4_096_000 as MilliCpu;

const nanoDigits = 9;
const nanoPerCapa = 10n ** BigInt(nanoDigits);
const maxSafe = BigInt(Number.MAX_SAFE_INTEGER);

// Digit counts are bounded before BigInt sees them: parsing a long decimal string is quadratic.
const sizePattern = /^([0-9]{1,20})(?:\.([0-9]{1,20}))?(Ki|Mi|Gi|Ti|K|k|M|G|T)?B?$/;
const durationPattern = /^(?:([0-9]{1,15})d)?(?:([0-9]{1,15})h)?(?:([0-9]{1,15})m)?(?:([0-9]{1,15})s)?$/;
const decimalPattern = /^([0-9]{1,20})(?:\.([0-9]{1,9}))?$/;
const nanoPattern = /^(?:0|[1-9][0-9]{0,18})$/;
const milliCpuPattern = /^([0-9]{1,15})m$/;

const sizeFactors: Readonly<Record<string, bigint>> = {
  Ti: 2n ** 40n,
  Gi: 2n ** 30n,
  Mi: 2n ** 20n,
  Ki: 2n ** 10n,
  T: 10n ** 12n,
  G: 10n ** 9n,
  M: 10n ** 6n,
  K: 10n ** 3n,
  k: 10n ** 3n,
};

/** `16Gi`, `512Mi`, `1.5Gi`, `40GB`, `1024`; undefined when malformed, not a whole number of bytes, or over 2^53-1. */
export function parseSize(text: string): Bytes | undefined {
  const match = sizePattern.exec(text);
  if (match === null) return undefined;
  const [, whole = '0', fraction = '', unit] = match;
  const factor = unit === undefined ? 1n : (sizeFactors[unit] ?? 1n);
  const scale = 10n ** BigInt(fraction.length);
  const scaled = BigInt(whole + fraction) * factor;
  if (scaled % scale !== 0n) return undefined;
  const bytes = scaled / scale;
  return bytes > maxSafe ? undefined : (Number(bytes) as Bytes);
}

/** `90s`, `1h30m`, `7d`: whole units in the order d h m s, at least one of them. */
export function parseDuration(text: string): DurationMs | undefined {
  const match = durationPattern.exec(text);
  if (match === null || text === '') return undefined;
  const [, days = '0', hours = '0', minutes = '0', seconds = '0'] = match;
  const total =
    ((BigInt(days) * 24n + BigInt(hours)) * 60n + BigInt(minutes)) * 60_000n + BigInt(seconds) * 1000n;
  return total > maxSafe ? undefined : (Number(total) as DurationMs);
}

/** A number of cores with at most 3 decimals, or text in thousandths (`500m`); 1m to 4096 cores. */
export function parseCpu(value: number | string): MilliCpu | undefined {
  let milli: number;
  if (typeof value === 'number') {
    milli = Math.round(value * 1000);
    // Division rounds correctly, so this is equal exactly when the literal had at most 3 decimals.
    if (milli / 1000 !== value) return undefined;
  } else {
    const match = milliCpuPattern.exec(value);
    if (match === null) return undefined;
    milli = Number(match[1]);
  }
  return milli >= 1 && milli <= maxMilliCpu ? (milli as MilliCpu) : undefined;
}

/** A decimal amount of CAPA with at most 9 decimals (`0.80`) in nano-CAPA; undefined when malformed or over 2^63-1. */
export function parseDecimalNano(text: string): NanoCapa | undefined {
  const match = decimalPattern.exec(text);
  if (match === null) return undefined;
  const [, whole = '0', fraction = ''] = match;
  const nano = BigInt(whole + fraction.padEnd(nanoDigits, '0'));
  return nano > maxNano ? undefined : (nano as NanoCapa);
}

/** The wire form of an amount: a canonical decimal string of nano-CAPA (no sign, no leading zero), at most 2^63-1. */
export function parseNano(text: string): NanoCapa | undefined {
  if (!nanoPattern.test(text)) return undefined;
  const nano = BigInt(text);
  return nano > maxNano ? undefined : (nano as NanoCapa);
}

function assertWhole(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${what} is a whole number from 0 to 2^53-1`);
}

/** The shortest exact text, binary units first among equals; `parseSize` reads it back. */
export function formatSize(bytes: number): string {
  assertWhole(bytes, 'a size');
  let best = `${bytes}B`;
  if (bytes === 0) return best;
  for (const [unit, factor] of Object.entries(sizeFactors)) {
    const divisor = Number(factor);
    if (unit === 'k' || bytes % divisor !== 0) continue;
    const text = `${bytes / divisor}${unit.length === 2 ? unit : `${unit}B`}`;
    if (text.length < best.length) best = text;
  }
  return best;
}

/** As `parseDuration` reads it, rounded up to whole seconds: `1h30m`. */
export function formatDuration(durationMs: number): string {
  assertWhole(durationMs, 'a duration');
  const total = Math.ceil(durationMs / 1000);
  const parts = [
    [Math.floor(total / 86_400), 'd'],
    [Math.floor(total / 3600) % 24, 'h'],
    [Math.floor(total / 60) % 60, 'm'],
    [total % 60, 's'],
  ] as const;
  const text = parts.map(([count, unit]) => (count === 0 ? '' : `${count}${unit}`)).join('');
  return text === '' ? '0s' : text;
}

/** Nano-CAPA as a decimal amount of CAPA without trailing zeros (`0.8`). A balance may be negative. */
export function formatNano(amountNano: bigint): string {
  const magnitude = amountNano < 0n ? -amountNano : amountNano;
  const fraction = (magnitude % nanoPerCapa).toString().padStart(nanoDigits, '0').replace(/0+$/, '');
  const whole = `${amountNano < 0n ? '-' : ''}${magnitude / nanoPerCapa}`;
  return fraction === '' ? whole : `${whole}.${fraction}`;
}
