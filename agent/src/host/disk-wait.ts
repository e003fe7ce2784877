import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isStorageFault, storageFaultText } from '../core/storage-fault.ts';

const lookAgainMs = 2000;

interface DiskWait {
  readonly log: Pick<Logger, 'error' | 'info'>;
  readonly signal: AbortSignal;
  /** The wait begins. */
  readonly onWait?: () => void;
  readonly pauseMs?: number;
}

/**
 * Does what needs the disk of a folder, again and again while that disk takes no writes: an agent that ended instead would
 * need somebody to start it again. Throws what has another cause, as rights that are missing. Undefined: it was aborted.
 */
export async function untilDiskTakesIt<T>(
  folder: string,
  act: () => T | Promise<T>,
  { log, onWait, pauseMs = lookAgainMs, signal }: DiskWait,
): Promise<T | undefined> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const value = await act();
      if (failures > 0) log.info({ folder }, 'the disk takes writes again');
      return value;
    } catch (error) {
      if (!isStorageFault(error) || !isDiskAtFault(folder, error)) throw error;
      const mend =
        'Free some space there, or mend what the kernel log says of the disk; the agent goes on by itself.';
      if (failures === 0) {
        log.error(
          { folder, reason: storageFaultText(error), mend },
          'the disk takes no writes: the agent waits',
        );
        onWait?.();
      }
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

/** SQLite says that a file cannot be opened or written for many reasons. A file of our own tells whether it is the disk. */
function isDiskAtFault(folder: string, error: unknown): boolean {
  const text = codesOf(error);
  if (/BUSY|LOCKED|PROTOCOL/.test(text)) return false;
  if (!/CANTOPEN|READONLY/.test(text)) return true;
  const file = join(folder, '.disk-probe');
  try {
    writeFileSync(file, 'probe', { mode: 0o600 });
    return false;
  } catch (probe) {
    return isStorageFault(probe);
  } finally {
    rmSync(file, { force: true });
  }
}

function codesOf(error: unknown): string {
  let codes = '';
  for (let cause = error, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++)
    if ('code' in cause) codes += ` ${String(cause.code)}`;
  return codes;
}
