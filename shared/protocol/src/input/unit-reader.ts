import { maxDurationMs, maxSizeBytes } from '../capacity/limits.ts';
import type { Problem } from '../result.ts';
import { parseDecimalNano, parseDuration, parseSize } from '../units.ts';
import { isBareNumber, leastLikelyBytes } from './unit-hints.ts';

/** Reads units out of a file and gathers every problem, so that a person mends them all at once. */
export class UnitReader {
  readonly problems: Problem[] = [];

  problem(pointer: string, message: string): void {
    this.problems.push({ pointer, message });
  }
  /** A size that is refused is undefined, so that nothing more is said of it. */
  sizeIfRight(pointer: string, text: string): number | undefined {
    const bytes = parseSize(text);
    const isUnitMissing = isBareNumber(text) && Number(text) > 0 && Number(text) < leastLikelyBytes;
    if (isUnitMissing)
      this.problem(pointer, `has no unit, so ${text} is ${text} bytes; write ${text}Mi or ${text}Gi`);
    else if (bytes === undefined || bytes > maxSizeBytes)
      this.problem(pointer, 'must be a whole number of bytes up to 1024Ti, for example 512Mi or 16Gi');
    else return bytes;
    return undefined;
  }
  size(pointer: string, text: string): number {
    return this.sizeIfRight(pointer, text) ?? 1;
  }
  duration(pointer: string, text: string): number {
    const durationMs = parseDuration(text);
    if (durationMs === undefined || durationMs < 1000 || durationMs > maxDurationMs) {
      this.problem(pointer, 'must be between 1s and 30d, for example 90s or 1h30m');
    }
    return durationMs ?? 1000;
  }
  money(pointer: string, text: string): bigint {
    const nano = parseDecimalNano(text);
    if (nano === undefined || nano < 1n || nano > 10n ** 18n)
      this.problem(pointer, 'must be more than 0, with at most 9 decimals');
    return nano ?? 1n;
  }
}
