import type { OutcomeReason } from '@capacloud/protocol/catalogue/reasons';
import type { Draws } from './draws.ts';
import type { JobClass, JobShape, NodeGroup } from './scenario/scenario.ts';

/** What becomes of one attempt if nobody interferes. */
export interface AttemptCourse {
  readonly setupMs: number;
  readonly runMs: number;
  readonly reason: OutcomeReason;
  readonly exitCode: number;
}

/** How long the task would run undisturbed: the same at each attempt. */
export function drawRunMs(jobClass: JobClass, shape: JobShape, draws: Draws): number {
  return jobClass.runs === undefined ? (shape.runMs ?? 0) : draws.durationMs(jobClass.runs);
}

/** A fault ends a run somewhere in it. The draws do not hang on one another, so that a variant's rates change nothing else. */
export function drawCourse(
  jobClass: JobClass,
  shape: JobShape,
  group: NodeGroup,
  wholeMs: number,
  draws: Draws,
): AttemptCourse {
  const ofNode = draws.next() < group.failureRate;
  const ofJob = draws.next() < jobClass.failureRate;
  const part = draws.next();
  const setupMs = jobClass.setup === undefined ? 0 : draws.durationMs(jobClass.setup);
  const runMs = ofNode || ofJob ? Math.round(wholeMs * part) : wholeMs;
  const { runTimeoutMs } = shape.terms;
  if (runMs > runTimeoutMs) return { setupMs, runMs: runTimeoutMs, reason: 'run_timeout', exitCode: 137 };
  if (ofNode) return { setupMs, runMs, reason: 'engine_lost', exitCode: 137 };
  if (ofJob) return { setupMs, runMs, reason: 'exit_nonzero', exitCode: 1 };
  return { setupMs, runMs, reason: 'completed', exitCode: 0 };
}
