import type { AttemptRecord } from '../core/attempt-record.ts';
import type { Journal } from '../core/journal-port.ts';
import type { ClaimStart } from '../core/ports.ts';

/** Once in the life of an attempt, by its journal. */
export function claimStart(journal: Journal, record: AttemptRecord): ClaimStart {
  return () => {
    const current = journal.attempt(record.key) ?? record;
    // START-1
    // guard: start a container once
    if (current.startSent === true) return false;
    // guard: note a start before it is made
    journal.save({ ...current, startSent: true });
    return true;
  };
}
