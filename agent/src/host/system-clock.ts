import { readFileSync } from 'node:fs';
import type { Clock } from '../core/clock.ts';

/** /proc/uptime counts suspended time too (CLOCK_BOOTTIME), unlike Node's monotonic clock: a lease lapses while a laptop sleeps. */
function uptimeMs(): number | undefined {
  try {
    const seconds = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
    return Number.isFinite(seconds) ? seconds * 1000 : undefined;
  } catch {
    return undefined;
  }
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Without it no lease outlives the process, which is the safe side.
    return `process-${process.pid}-${Date.now()}`;
  }
}

export function systemClock(): Clock {
  const hasUptime = uptimeMs() !== undefined;
  return {
    nowMs: () => Date.now(),
    bootMs: () => (hasUptime ? uptimeMs() : undefined) ?? performance.now(),
    bootId: readBootId(),
  };
}
