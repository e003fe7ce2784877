import type { Observation } from '../auditor/observation.ts';
import { kernel } from '../kernel/kernel.ts';

/** Sees what is true and what is said, and counts what was done to the world. */
export class Watch {
  readonly counts = new Map<string, number>();
  /** Nothing is done to the world any more. */
  isHealed = false;
  readonly #tell: (observation: Observation) => void;

  constructor(tell: (observation: Observation) => void) {
    this.#tell = tell;
  }

  /** What the auditor throws ends the run. */
  observe(observation: Observation): void {
    if (observation.kind === 'healed') this.isHealed = true;
    try {
      this.#tell(observation);
    } catch (error) {
      kernel().fail(error);
    }
  }

  fault(kind: string, detail = ''): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    kernel().trace.note(kernel().nowMs, 'FAULT', `${kind} ${detail}`);
  }
}
