import type { Event } from '@capacloud/core/contract/event';
import { apply } from '@capacloud/core/machine';
import { decodeStateLines } from '@capacloud/core/snapshot';
import { createState, type State } from '@capacloud/core/state';
import type { LogPort } from '../ports/log.ts';
import type { Snapshot } from './snapshot-files.ts';

const replayBatch = 4096;

export interface Replayed {
  readonly state: State;
  /** Events in the snapshot that it started from; 0 for a replay from the start. */
  readonly from: number;
  readonly size: number;
}

/** Applies the log to an empty state, or to the newest snapshot that can be read. The state of an older release's log is the same. */
export async function replay(
  log: Pick<LogPort, 'read' | 'size'>,
  snapshots: Iterable<Snapshot>,
  signal: AbortSignal,
): Promise<Replayed> {
  const { state, from } = begin(snapshots);
  const size = log.size();
  for (let next = from; next < size; ) {
    signal.throwIfAborted();
    const entries = await log.read(next, Math.min(replayBatch, size - next));
    if (entries.length === 0) throw new Error(`the log ends at ${next} and should at ${size}`);
    for (const { entry } of entries) apply(state, JSON.parse(entry) as Event);
    next += entries.length;
  }
  return { state, from, size };
}

function begin(snapshots: Iterable<Snapshot>): { state: State; from: number } {
  for (const snapshot of snapshots) {
    try {
      return { state: decodeStateLines(snapshot.lines()), from: snapshot.size };
    } catch {
      // Written by a release that encoded the state in another way: the log says the same, only slower.
    }
  }
  return { state: createState(), from: 0 };
}
