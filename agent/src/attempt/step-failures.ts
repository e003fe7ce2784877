import type { PullProgress, RuntimeFailure } from '../core/ports.ts';
import { say } from '../core/sentence.ts';

/** Whom the pull waited for decides whose fault it is: a registry that sends one byte a minute is not the node's. */
export function pullTimeout(timeoutMs: number, stage: PullProgress['stage']): RuntimeFailure {
  return stage === 'registry'
    ? {
        reason: 'registry_failed',
        message: say`The registry did not deliver the image within ${timeoutMs} ms.`,
      }
    : { reason: 'pull_timeout', message: say`Pulling took longer than ${timeoutMs} ms.` };
}

export function noInput(error: Error): RuntimeFailure {
  return {
    reason: 'input_unavailable',
    message: say`An input could not be fetched from the coordinator.`,
    detail: error.message,
  };
}
