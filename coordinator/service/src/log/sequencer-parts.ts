import type { State } from '@capacloud/core/state';
import type { DiskRoom } from '../ports/disk-room.ts';
import type { LogPort } from '../ports/log.ts';
import type { Projection } from '../ports/projection.ts';
import type { SequencerLimits } from './sequencer-limits.ts';
import type { BrokenDecision, StateMachine } from './state-machine.ts';

export interface SequencerParts {
  readonly state: State;
  readonly log: LogPort;
  readonly fencingEpoch: number;
  readonly projection: Projection;
  /** The wall clock, Unix milliseconds. */
  readonly now: () => number;
  /** Called once when the process must not go on: an append failed or an invariant does not hold. */
  readonly onFatal: (error: Error) => void;
  readonly onBroken?: (broken: BrokenDecision) => void;
  readonly limits?: SequencerLimits;
  readonly machine?: StateMachine;
  /** Of the log. Endless where nothing is said. */
  readonly disk?: Pick<DiskRoom, 'level'>;
}
