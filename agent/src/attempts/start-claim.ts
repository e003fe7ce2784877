import type { AttemptRecord } from '../core/attempt-record.ts';
import type { Journal } from '../core/journal-port.ts';
import type { ClaimStart } from '../core/ports.ts';

/** Once in the life of an attempt, by its journal. */
export function claimStart(journal: Journal, record: AttemptRecord): ClaimStart {
  return () => {
    const current = journal.attempt(record.key) ?? record;
    if (current.startSent === true) return false;
    journal.save({ ...current, startSent: true });
    return true;
  };
}
