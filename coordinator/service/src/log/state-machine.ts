import type { Command } from '@capacloud/core/contract/command';
import type { apply, decide } from '@capacloud/core/machine';
import type { Suspicion } from '@capacloud/core/slices/isolation/isolation';

/** A decision broke an invariant and was dropped: nothing of it is in the log, or was said. */
export interface BrokenDecision {
  readonly command: Command['type'];
  readonly error: unknown;
  /** What is isolated for it. */
  readonly suspicion: Suspicion | undefined;
}

/** The state machine; a test may put a fault into it. */
export interface StateMachine {
  readonly decide: typeof decide;
  readonly apply: typeof apply;
}
