const minuteS = 60;
const hourS = 3600;
const dayS = 24 * hourS;
const nanoPerCapa = 1e9;
const bars = '▁▂▃▄▅▆▇█';

/** Two units at most: 0s, 16s, 2m16s, 1h30m, 3d4h. */
export function span(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < minuteS) return ms > 0 && seconds === 0 ? '<1s' : `${seconds}s`;
  if (seconds < hourS) return two(seconds, minuteS, 'm', 1, 's');
  if (seconds < dayS) return two(seconds, hourS, 'h', minuteS, 'm');
  return two(seconds, dayS, 'd', hourS, 'h');
}

function two(seconds: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)}${largeUnit}${rest === 0 ? '' : `${rest}${smallUnit}`}`;
}

export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}

/** CAPA, with as many decimals as tell something. */
export function capa(nano: number | bigint): string {
  const amount = Number(nano) / nanoPerCapa;
  const size = Math.abs(amount);
  const digits = size === 0 || size >= 10 ? 2 : size >= 0.1 ? 3 : 6;
  return amount.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** One bar a value, at most so many of them: neighbours are put together by their mean. A gap where there is none. */
export function sparkline(
  values: readonly (number | null)[],
  bounds: { readonly low: number; readonly high: number },
  columns: number,
): string {
  const perBar = Math.max(1, Math.ceil(values.length / columns));
  let line = '';
  for (let from = 0; from < values.length; from += perBar) {
    const known = values.slice(from, from + perBar).filter((value) => value !== null);
    if (known.length === 0) line += ' ';
    else {
      const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
      const height = bounds.high > bounds.low ? (mean - bounds.low) / (bounds.high - bounds.low) : 0;
      line += bars[Math.min(bars.length - 1, Math.max(0, Math.floor(height * bars.length)))] ?? ' ';
    }
  }
  return line;
}
