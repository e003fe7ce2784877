import { checkpointOverheadBytes } from '@capacloud/protocol/wire/frames';
import type { AttemptRecord, Ending } from '../../core/attempt-record.ts';

/** Files and folders of one checkpoint. */
export const maxCheckpointEntries = 20_000;
/** The largest name below the folder. */
export const maxCheckpointNameBytes = 1024;

/** No archive of so much content is larger, at most 4 KiB an entry: one that is was not made by these rules. */
export function largestArchiveBytes(maxBytes: number): number {
  return maxBytes + checkpointOverheadBytes;
}

/**
 * How long the folder may take to be saved and uploaded now that the container has ended. It is saved only where the
 * coordinator ended the container, because only then does the task go on elsewhere while this node can still be asked.
 */
export function bringsWithinMs({ assignment, stop }: AttemptRecord, ending: Ending): number | undefined {
  // SAVE-1
  const wasStopped = stop === 'stopped' || stop === 'dropped';
  return wasStopped && !ending.engineLost ? assignment.checkpoint?.timeoutMs : undefined;
}
