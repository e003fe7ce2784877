import type { ReportItem } from '@capacloud/protocol/wire/frames';
import type { AttemptRecord } from './attempt-record.ts';
import type { AttemptKey } from './ports.ts';

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;
/** A report before the outbox has numbered it. */
export type ReportDraft = WithoutId<ReportItem>;

/** Times of the lease: the boot clock counts also while the machine sleeps, and starts anew with each boot. */
export interface LeaseNote {
  readonly bootId: string;
  /** Boot-clock time at which it lapses. */
  readonly untilBootMs: number;
}

/**
 * What survives a restart and a kill at any point. Each call is one durable transaction: when it returns, the
 * change is on disk. Everything is kept apart by coordinator; a journal speaks for one.
 *
 * A disk may take no writes for a while. `save`, `append` and `forget` throw then, and nothing has changed. `note`,
 * `acknowledge`, `saveLease` and `saveCoordinatorName` never throw for that: they come from sockets and timers, and their
 * loss in a crash is harmless. They count at once, and are written as soon as the disk takes them.
 */
export interface Journal {
  /** In order of acceptance. */
  attempts(): readonly AttemptRecord[];
  attempt(key: AttemptKey): AttemptRecord | undefined;
  /** Writes the record and, in the same transaction, appends reports. */
  save(record: AttemptRecord, reports?: readonly ReportDraft[]): void;
  /** Keeps a change of a record that is known, such as the cause of its end: a later life would find it again by itself. */
  note(record: AttemptRecord): void;
  /** Reports of an attempt that was never taken up. */
  append(reports: readonly ReportDraft[]): void;
  forget(key: AttemptKey): void;

  /** Reports with an id above `afterId`, in order, at most `limit`. */
  outbox(afterId: number, limit: number): readonly ReportItem[];
  outboxSize(): number;
  /** Whether a report of this attempt waits. */
  holds(key: AttemptKey): boolean;
  /** Drops reports up to this id: the coordinator has them. */
  acknowledge(id: number): void;

  saveLease(lease: LeaseNote): void;
  lease(): LeaseNote | undefined;
  /** Name that the coordinator gave itself when it was first met. */
  coordinatorName(): string | undefined;
  saveCoordinatorName(name: string): void;

  /** Why the disk takes no writes, as far as the last write told; undefined while it does. */
  readonly fault: string | undefined;
  /** Writes what is owed, and so finds out whether the disk takes writes again. Never throws for a disk that does not. */
  recover(): void;
}

/** The outbox takes this many reports; new work stops well before. */
export const outboxLimit = 20_000;
