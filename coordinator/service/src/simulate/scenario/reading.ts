import { maxSizeBytes } from '@capacloud/protocol/capacity/limits';
import type { Problem } from '@capacloud/protocol/result';
import { parseDecimalNano, parseDuration, parseSize } from '@capacloud/protocol/units';

/** As long as a simulation, and anything in it, may be. */
export const maxSpanMs = 3660 * 24 * 3600 * 1000;
/** As much as one grant may be. */
const maxAmountNano = 10n ** 18n;

/** Reads the words of a scenario and gathers every problem, so that a person mends them all at once. */
export class Reading {
  readonly problems: Problem[] = [];

  problem(pointer: string, message: string): void {
    this.problems.push({ pointer, message });
  }

  size(pointer: string, text: string): number {
    const bytes = parseSize(text);
    if (bytes === undefined || bytes > maxSizeBytes)
      this.problem(pointer, 'must be a size such as 512Mi or 16Gi');
    return bytes ?? 1;
  }

  /** Of at least so many milliseconds. */
  span(pointer: string, text: string, leastMs = 1000): number {
    const ms = parseDuration(text);
    if (ms === undefined || ms > maxSpanMs)
      this.problem(pointer, 'must be a duration such as 90s, 1h30m or 7d');
    else if (ms < leastMs) this.problem(pointer, `must be at least ${leastMs / 1000}s`);
    return ms ?? leastMs;
  }

  money(pointer: string, text: string): bigint {
    const nano = parseDecimalNano(text);
    if (nano === undefined || nano > maxAmountNano)
      this.problem(pointer, 'must be an amount in quotes such as "0.80", with at most 9 decimals');
    return nano ?? 0n;
  }
}
