import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '@capacloud/waiting/backoff';
import type { AttemptRecord } from '../core/attempt-record.ts';
import { attemptKeyText } from '../core/ports.ts';
import { own, say } from '../core/sentence.ts';
import type { WorkKind } from '../core/step.ts';
import { isStorageFault } from '../core/storage-fault.ts';
import type { WorkParts } from '../features/work-parts.ts';
import type { AttemptWork } from './attempt-work.ts';

/** An engine that never gets over it is asked once a minute or so. */
const longestPauseMs = 60_000;
/** A disk is asked more often: nothing of its attempts can be noted until it takes writes. */
const longestStoragePauseMs = 5000;
/** Before anything ran, an attempt is better off on another node than behind a disk that stays full. */
const earlySteps: ReadonlySet<WorkKind> = new Set(['pull', 'fetch-inputs', 'prepare', 'start']);
const earlyTries = 5;

/**
 * A step threw, and its attempt fails with it. Where only its report or its end is left, or where the failure cannot be
 * noted, the step comes again, but not at once. A disk that takes no writes is no fault of the attempt: what runs, and what
 * it brought, waits for it.
 */
export async function endFailedStep(
  { journal, log }: Pick<WorkParts, 'journal' | 'log'>,
  work: Pick<AttemptWork, 'fail'>,
  {
    record,
    kind,
    error,
    failures,
  }: {
    readonly record: AttemptRecord;
    readonly kind: WorkKind;
    readonly error: unknown;
    /** In a row, this one included. */
    readonly failures: number;
  },
  signal: AbortSignal,
): Promise<void> {
  const attempt = attemptKeyText(record.key);
  log.error({ err: error, attempt, step: kind }, 'a step failed');
  const current = journal.attempt(record.key);
  if (current === undefined || current.phase === 'settled') return;
  if (current.phase === 'reporting' || current.phase === 'cleaning' || kind === 'abandon')
    return pause(failures, signal);
  if (isStorageFault(error) && (!earlySteps.has(kind) || failures < earlyTries))
    return pause(failures, signal, longestStoragePauseMs);
  try {
    work.fail(record.key, {
      reason: 'agent_failed',
      message: say`The agent met an error at the step ${own(kind)}; its owner finds it in the log.`,
    });
  } catch (cause) {
    // The journal cannot be written, as on a full disk.
    log.error({ err: cause, attempt }, 'a failure could not be noted');
    // guard: pause where a failure cannot be noted
    await pause(failures, signal);
  }
}

async function pause(failures: number, signal: AbortSignal, limitMs = longestPauseMs): Promise<void> {
  const pauseMs = backoffMs({ floorMs: 1000, baseMs: 500, limitMs }, failures + 2, Math.random);
  await sleep(pauseMs, undefined, { signal }).catch(() => {});
}
