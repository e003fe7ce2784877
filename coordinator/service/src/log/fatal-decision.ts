import type { Suspicion } from '@capacloud/core/slices/isolation/isolation';

/**
 * An event of a decision broke an invariant while it was applied. The state is half changed, so the process has to end; the
 * log says nothing of the decision.
 */
export class FatalDecision extends Error {
  override readonly name = 'FatalDecision';
  /** What the next start keeps away from. */
  readonly suspicion: Suspicion | undefined;

  constructor(cause: unknown, suspicion: Suspicion | undefined) {
    super(cause instanceof Error ? cause.message : 'a decision could not be applied', { cause });
    this.suspicion = suspicion;
  }
}
