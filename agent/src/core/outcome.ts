import type { Result } from '@capacloud/protocol/result';
import type { Ending, Outcome, StopCause } from './attempt-record.ts';
import type { CollectedOutputs, RuntimeFailure } from './ports.ts';
import { type Sentence, say } from './sentence.ts';

/** What collecting the outputs showed; absent when there was nothing to collect or it was not reached. */
export type CollectionEvidence =
  | { readonly ok: true; readonly scratchFull: boolean }
  | { readonly ok: false; readonly failure: RuntimeFailure };

export function evidenceOf(collected: Result<CollectedOutputs, RuntimeFailure>): CollectionEvidence {
  if (!collected.ok) return { ok: false, failure: collected.refusal };
  const { failure, scratchFull } = collected.value;
  return failure === undefined
    ? { ok: true, scratchFull }
    : { ok: false, failure: { ...failure, scratchFull } };
}

const stopSentences: Readonly<Record<StopCause, Sentence>> = {
  dropped: say`The coordinator does not want it any more.`,
  stopped: say`Stopped at the request of the coordinator.`,
  lease_lapsed: say`Contact with the coordinator was lost for longer than the lease.`,
  run_timeout: say`Stopped when its run time was over.`,
};

/** The outcome of an attempt that the agent itself ended. */
export function outcomeOfStop(cause: StopCause): Outcome {
  return { reason: cause === 'dropped' ? 'stopped' : cause, message: stopSentences[cause] };
}

/**
 * Judges an ended container by all that was seen. An exit code alone is not a result: a program whose child was
 * killed for memory, or one that a dying engine terminated, can exit with 0.
 */
export function judgeEnding(
  ending: Ending,
  stop: StopCause | undefined,
  collection: CollectionEvidence | undefined,
): Outcome {
  if (stop !== undefined) return outcomeOfStop(stop);
  // RESULT-1
  // guard: an engine that was lost completes nothing
  if (ending.engineLost)
    return {
      reason: 'engine_lost',
      message: ending.engineError ?? say`The container engine lost the container.`,
    };
  if (ending.oomKilled)
    return {
      reason: 'oom_killed',
      message: say`The memory of the task was full, so a process was killed. ${exitSentence(ending)}`,
    };
  // guard: an exit code other than 0 is a failure
  const failed = ending.exitCode !== 0;
  if (isScratchFull(collection) && (failed || collection?.ok === false)) {
    return { reason: 'disk_full', message: say`The disk of the task was full. ${exitSentence(ending)}` };
  }
  if (failed && ending.pidsExhausted)
    return {
      reason: 'pids_exhausted',
      message: say`The task had as many processes as it may have. ${exitSentence(ending)}`,
    };
  if (failed) return { reason: 'exit_nonzero', message: exitSentence(ending) };
  if (collection?.ok === false)
    return { reason: collection.failure.reason, message: collection.failure.message };
  return { reason: 'completed' };
}

function isScratchFull(collection: CollectionEvidence | undefined): boolean {
  if (collection === undefined) return false;
  return collection.ok ? collection.scratchFull : collection.failure.scratchFull === true;
}

function exitSentence(ending: Ending): Sentence {
  if (ending.exitCode === undefined) return say`The container ended without an exit code.`;
  const signal =
    ending.exitCode > 128 && ending.exitCode < 160 ? say` (signal ${ending.exitCode - 128})` : say``;
  return say`The container exited with ${ending.exitCode}${signal}.`;
}
