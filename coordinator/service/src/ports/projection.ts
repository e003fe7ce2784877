import type { Event } from '@capacloud/core/contract/event';
import type { ReadOnly } from '@capacloud/core/read-only';
import type { State } from '@capacloud/core/state';
import type { RowBatch } from './log.ts';
import type { Aside } from './sequencer.ts';

/** Turns events into rows of the tables that are read. The sequencer drives it beside `apply`. */
export interface Projection {
  /** Before `apply(state, event)`. */
  before(state: ReadOnly<State>, event: Event, index: number): void;
  /** After it. */
  after(state: ReadOnly<State>, event: Event): void;
  /** A private row of the command whose events were just applied. */
  aside(aside: Aside): void;
  /** The rows of everything since the last call, each row once. */
  take(): readonly RowBatch[];
}
