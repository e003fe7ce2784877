import { formatDuration, formatSize, parseSize } from './units.ts';

// What a person meant who wrote a quantity without its unit, or with another spelling of it. Settings refuse both:
// `--memory 16` would be 16 bytes, and the owner would see only that no job comes.

const bareNumber = /^[0-9]{1,20}(?:\.[0-9]{1,9})?$/;
const spelledSize = /^([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([kmgt])(?:i?b|i|ib|bytes?)?$/i;
const spelledDuration = /^([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*([a-z]{1,7})$/i;
const durationUnits: readonly (readonly [spelling: RegExp, ms: number])[] = [
  [/^(ms|millis|msecs?)$/i, 1],
  [/^(s|secs?|seconds?)$/i, 1000],
  [/^(m|mins?|minutes?)$/i, 60_000],
  [/^(h|hrs?|hours?)$/i, 3_600_000],
  [/^(d|days?)$/i, 86_400_000],
];
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
  const [, amount, unit = ''] = spelledSize.exec(text) ?? [];
  if (amount === undefined || parseSize(text) !== undefined) return undefined;
  const letter = unit.toUpperCase();
  return `write ${amount}${letter}i`;
}

/** `has no unit; write 10s or 10m`, `write 1h30m`; undefined where nothing is known of what was meant. */
export function adviseDuration(text: string): string | undefined {
  if (/^[0-9]{1,9}$/.test(text)) return `has no unit; write ${text}s or ${text}m`;
  if (bareNumber.test(text)) return 'has no unit';
  const [, amount, spelling = ''] = spelledDuration.exec(text) ?? [];
  const factor = durationUnits.find(([unit]) => unit.test(spelling))?.[1];
  if (amount === undefined || factor === undefined) return undefined;
  const durationMs = Math.round(Number(amount) * factor);
  const written = durationMs >= 1000 && durationMs % 1000 === 0 ? formatDuration(durationMs) : undefined;
  return written === undefined || written === text ? undefined : `write ${written}`;
}

/** `has no unit; write 40%`; undefined where nothing is known of what was meant. */
export function advisePercent(text: string): string | undefined {
  if (!bareNumber.test(text)) return undefined;
  const value = Number(text);
  const percent = value > 0 && value < 1 ? value * 100 : value;
  return percent > 100 ? undefined : `has no unit; write ${Math.max(1, Math.round(percent))}%`;
}
