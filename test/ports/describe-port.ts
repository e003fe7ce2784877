import { describe, it } from 'vitest';
import { journalCases } from './journal-cases.ts';
import type { PortCase } from './port-case.ts';
import { runtimeCases } from './runtime-cases.ts';

/** Runs one case on a rig of its own, here or in a process where time is simulated. Rejects with what the case throws. */
type RunCase<Rig> = (portCase: PortCase<Rig>) => Promise<void>;

function describePort<Rig>(cases: readonly PortCase<Rig>[]) {
  return (implementation: string, run: RunCase<Rig>): void => {
    describe(implementation, () => {
      it.each(cases)('$rule', async (portCase) => await run(portCase));
    });
  };
}

/** The acceptance suites: what an implementation of the port keeps. */
export const describeJournal = describePort(journalCases);
export const describeRuntime = describePort(runtimeCases);
