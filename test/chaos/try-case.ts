import { randomInt } from 'node:crypto';
import type { ChaosCase } from './chaos-case.ts';
import type { Pace } from './chaos-rig.ts';
import { runCase } from './run-case.ts';
import { describeOutcome } from './run-chaos.ts';

export const killingPace: Pace = { liveJobs: 3, durationMs: 20_000, minStrikes: 10, maxStrikes: 20 };

/** Runs a case, tells what came of it in a line, and gives what there was to find. */
export async function tryCase(
  chaosCase: ChaosCase,
  pace: Pace,
  dockerSocket?: string,
): Promise<readonly string[]> {
  const seed = randomInt(1, 2 ** 31);
  const began = performance.now();
  const { signal } = new AbortController();
  const options = dockerSocket === undefined ? { pace, seed, signal } : { pace, seed, signal, dockerSocket };
  const result = await runCase(chaosCase, options);
  process.stdout.write(`${describeOutcome(chaosCase.name, seed, performance.now() - began, result)}\n`);
  return result.findings;
}
