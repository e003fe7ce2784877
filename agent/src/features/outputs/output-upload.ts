import { setTimeout as sleep } from 'node:timers/promises';
import { type Backoff, backoffMs } from '@capacloud/waiting/backoff';
import type { AttemptRecord } from '../../core/attempt-record.ts';
import { attemptKeyText, type RuntimeFailure } from '../../core/ports.ts';
import { say } from '../../core/sentence.ts';
import { uploadFile } from '../../transfer/artifact-upload.ts';
import { TransferRefused } from '../../transfer/coordinator-http.ts';
import { StageTimeout, withClock } from '../deadline.ts';
import type { WorkParts } from '../work-parts.ts';

type UploadParts = Pick<WorkParts, 'access' | 'clock' | 'http' | 'journal' | 'log' | 'runtime'>;

const withoutRoom: Backoff = { floorMs: 500, baseMs: 500, limitMs: 60_000 };
/** The coordinator ends the wait after a day; this only bounds what one that never does can keep here. */
const maxHoldMs = 25 * 3600 * 1000;

/** The coordinator has no room for it now. It is no failure: what was refused so is kept, and asked for again. */
function isWithoutRoom(error: unknown): error is TransferRefused {
  return error instanceof TransferRefused && error.isWithoutRoom;
}

/**
 * Uploads the outputs of an attempt. While the coordinator says that it has no room for them the clock of the upload stands
 * still, as it does without a session. Gives what the attempt fails with; undefined when all is uploaded.
 */
export async function uploadOutputs(
  parts: UploadParts,
  record: AttemptRecord,
  signal: AbortSignal,
): Promise<RuntimeFailure | undefined> {
  const { access, clock, journal } = parts;
  const { assignment, files, key } = record;
  let isWaiting = false;
  const onRefused = async (refusal: TransferRefused, refusals: number, limit: AbortSignal) => {
    const current = journal.attempt(key) ?? record;
    const sinceMs = current.heldSinceMs ?? clock.nowMs();
    if (current.heldSinceMs === undefined)
      await noteHeld(parts, { ...current, heldSinceMs: sinceMs }, refusal, limit);
    if (clock.nowMs() - sinceMs > maxHoldMs) throw refusal;
    isWaiting = true;
    await pause(refusals, limit);
    isWaiting = false;
  };
  try {
    await withClock(
      assignment.uploadTimeoutMs,
      signal,
      async (limit) => {
        for (const file of files)
          for (let refusals = 1; ; refusals++) {
            try {
              await uploadFile(parts.http, file, limit, key);
              break;
            } catch (error) {
              // What a failed run left is not worth a day's wait: its end is.
              if (!isWithoutRoom(error) || record.outcome?.reason !== 'completed') throw error;
              await onRefused(error, refusals, limit);
            }
          }
      },
      () => access.token() !== undefined && !isWaiting,
    );
    return undefined;
  } catch (error) {
    if (!(error instanceof StageTimeout || error instanceof TransferRefused)) throw error;
    // The coordinator takes no file of this size, whoever sends it: that is the job's own limit.
    const isTooLarge = error instanceof TransferRefused && error.code === 'request.too_large';
    return {
      reason: isTooLarge ? 'output_too_large' : 'upload_failed',
      message: isTooLarge
        ? say`An output is larger than the coordinator takes.`
        : say`The outputs could not be uploaded.`,
      detail: error.message,
    };
  }
}

/** What waits for a day must hold nothing but its files. */
async function noteHeld(
  { journal, log, runtime }: UploadParts,
  record: AttemptRecord,
  { code, message }: TransferRefused,
  signal: AbortSignal,
): Promise<void> {
  const attempt = attemptKeyText(record.key);
  log.warn({ attempt, code, detail: message }, 'the coordinator has no room for outputs: they are kept here');
  journal.save(record);
  await runtime.remove(record.key, signal).catch((error: unknown) => {
    log.warn({ err: error, attempt }, 'a container could not be removed yet');
  });
}

async function pause(refusals: number, signal: AbortSignal): Promise<void> {
  const pauseMs = backoffMs(withoutRoom, refusals, Math.random);
  await sleep(pauseMs, undefined, { signal });
}
