import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { formatSize } from '@capacloud/protocol/units';
import type { Logger } from 'pino';
import { diskMarksOf } from '../disk-marks.ts';
import { spaceOf } from '../disk-watch.ts';
import { DataError } from '../store/data-error.ts';
import { dataFault } from '../store/data-fault.ts';

const lookEveryMs = 1000;
/** A start that waits says so again after this long. */
const sayEveryMs = 60_000;
/** A start needs this part of the room at which nothing is placed any more: less would not last for long. */
const startPart = 4;

/**
 * Starts once the disk of the data folder has room, and tells the operator while it waits. A supervisor that starts the
 * process again and again would do no better. Undefined when the signal came first.
 */
export async function startWithRoom<T>(
  start: () => Promise<T>,
  dataDir: string,
  logger: Pick<Logger, 'error' | 'info'>,
  signal: AbortSignal,
): Promise<T | undefined> {
  let saidAt = Number.NEGATIVE_INFINITY;
  const say = (detail: string) => {
    const now = performance.now();
    if (now - saidAt < sayEveryMs) return;
    saidAt = now;
    const hint = 'Free some space there. Nothing that was promised is lost, and the start goes on by itself.';
    logger.error({ code: 'log.unavailable', detail, hint }, 'the disk of data_dir is full: waiting for room');
  };
  for (;;) {
    if (signal.aborted) return undefined;
    const lacking = await lackOfRoom(dataDir);
    if (lacking === undefined) {
      try {
        return await start();
      } catch (error) {
        const fault = error instanceof DataError ? error : dataFault(error, dataDir);
        if (fault?.isFull !== true) throw error;
        say(fault.message);
      }
    } else say(lacking);
    await pause(lookEveryMs, undefined, { signal }).catch(() => undefined);
  }
}

async function lackOfRoom(dataDir: string): Promise<string | undefined> {
  // A new folder is made by the start, which says what is wrong with its place.
  if (!existsSync(dataDir)) return undefined;
  const { freeBytes, sizeBytes } = await spaceOf(dataDir);
  const needed = Math.floor(diskMarksOf(sizeBytes).fullBytes / startPart);
  if (freeBytes >= needed) return undefined;
  return `${formatSize(freeBytes)} are free on the disk of ${dataDir}, and a start needs ${formatSize(needed)}.`;
}
