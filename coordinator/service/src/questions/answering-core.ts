import type { ReadOnly } from '@capacloud/core/read-only';
import type { ScheduleNotes } from '@capacloud/core/scheduler/schedule-notes';
import type { State } from '@capacloud/core/state';
import type { Committed } from '../ports/sequencer.ts';

/** What answers are made from. */
export interface AnsweringCore extends Committed {
  readonly state: ReadOnly<State>;
  /** What the scheduler remembers. */
  readonly notes: ScheduleNotes;
  /** Events that the state holds: it may be ahead of the log by those that are on their way to the disk. */
  readonly size: number;
  /** Resolves once all that the state holds now is on disk; never when the append fails. */
  durable(): Promise<void>;
}

/** What one look is taken at. */
export type Live = Pick<AnsweringCore, 'notes' | 'state'>;
