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
 * Whether the folder is saved now that the container has ended: only where the coordinator ended it, because only then
 * does the task go on elsewhere with a node that can still be asked.
 */
export function savesCheckpoint(record: AttemptRecord, ending: Ending): boolean {
  const { assignment, stop } = record;
  return (
    assignment.checkpoint !== undefined && !ending.engineLost && (stop === 'stopped' || stop === 'dropped')
  );
}
