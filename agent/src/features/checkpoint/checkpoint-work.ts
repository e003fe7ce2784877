import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import type { AttemptRecord } from '../../core/attempt-record.ts';
import { attemptKeyText, type CollectedFile, type PlacedCheckpoint } from '../../core/ports.ts';
import { uploadFile } from '../../transfer/artifact-upload.ts';
import { TransferRefused } from '../../transfer/coordinator-http.ts';
import { untilEngineAnswers, withClock } from '../deadline.ts';
import type { WorkParts } from '../work-parts.ts';
import { largestArchiveBytes } from './checkpoint-rules.ts';

type FetchParts = Pick<WorkParts, 'inputs' | 'log'>;
type SaveParts = Pick<WorkParts, 'access' | 'http' | 'log' | 'runtime'>;

/** What the cache of inputs holds for an attempt before it starts. */
export function heldArtifacts({ checkpoint, inputs }: Assignment): readonly Sha256Hex[] {
  const saved = checkpoint?.saved === undefined ? [] : [checkpoint.saved.sha256];
  return [...inputs.map((input) => input.sha256), ...saved];
}

/**
 * Inputs, and what an earlier attempt saved, where it can be had. Throws TransferRefused for an input only: a task goes
 * on without its checkpoint rather than never.
 */
export async function fetchArtifacts(
  { inputs, log }: FetchParts,
  { assignment, key }: AttemptRecord,
  signal: AbortSignal,
): Promise<PlacedCheckpoint | undefined> {
  for (const input of assignment.inputs) await inputs.fetch(input, signal);
  const { checkpoint } = assignment;
  if (checkpoint?.saved === undefined) return undefined;
  const onUnfit = (why: string) => {
    log.warn({ attempt: attemptKeyText(key), why }, 'a saved checkpoint cannot be used; its folder is empty');
  };
  if (checkpoint.saved.sizeBytes > largestArchiveBytes(checkpoint.maxBytes)) {
    onUnfit('it is larger than a checkpoint of this task can be');
    return undefined;
  }
  try {
    return { localPath: await inputs.fetch(checkpoint.saved, signal), onUnfit };
  } catch (error) {
    if (!(error instanceof TransferRefused)) throw error;
    onUnfit(error.message);
    return undefined;
  }
}

/**
 * Saves the checkpoint folder of a stopped container within `leftMs`, and tells what is left of them for the upload.
 * Undefined when there is nothing to upload, for whatever reason. Rejects only through the signal.
 */
export async function saveCheckpoint(
  { log, runtime }: SaveParts,
  { assignment, key }: AttemptRecord,
  leftMs: number,
  intoDir: string,
  signal: AbortSignal,
): Promise<{ readonly file: CollectedFile; readonly leftMs: number } | undefined> {
  const attempt = attemptKeyText(key);
  const startMs = performance.now();
  try {
    const saved = await withClock(leftMs, signal, (limit) =>
      untilEngineAnswers(limit, async () => {
        await rm(intoDir, { recursive: true, force: true });
        await mkdir(intoDir, { recursive: true, mode: 0o700 });
        return await runtime.save(assignment, join(intoDir, 'checkpoint.tar'), limit);
      }),
    );
    if (!saved.ok) log.warn({ attempt, why: saved.refusal.message }, 'a checkpoint was not saved');
    if (!saved.ok || saved.value === undefined) return undefined;
    return { file: saved.value, leftMs: Math.max(0, leftMs - (performance.now() - startMs)) };
  } catch (error) {
    signal.throwIfAborted();
    log.warn({ err: error, attempt }, 'a checkpoint was not saved');
    return undefined;
  }
}

/**
 * Uploads what was saved, and gives what the receipt may name of it: nothing where it could not be uploaded in time.
 * Rejects only through the signal.
 */
export async function uploadCheckpoint(
  { access, http, log }: SaveParts,
  { files, key }: AttemptRecord,
  leftMs: number,
  signal: AbortSignal,
): Promise<readonly CollectedFile[]> {
  try {
    await withClock(
      leftMs,
      signal,
      async (limit) => {
        for (const file of files) await uploadFile(http, file, limit, key);
      },
      () => access.token() !== undefined,
    );
    return files;
  } catch (error) {
    signal.throwIfAborted();
    log.warn({ err: error, attempt: attemptKeyText(key) }, 'a checkpoint was not uploaded');
    return [];
  }
}
