import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttemptRecord } from '../../core/attempt-record.ts';
import { attemptKeyText, type CollectedFile, type PlacedArchive } from '../../core/ports.ts';
import { uploadFile } from '../../transfer/artifact-upload.ts';
import { TransferRefused } from '../../transfer/coordinator-http.ts';
import { untilEngineAnswers, withClock } from '../deadline.ts';
import type { BringParts, FetchParts } from '../feature.ts';
import { largestArchiveBytes } from './checkpoint-rules.ts';

/** What an earlier attempt saved. Where it cannot be fetched the task starts without it, which is better than never. */
export async function fetchCheckpoint(
  { inputs, log }: FetchParts,
  { assignment, key }: AttemptRecord,
  signal: AbortSignal,
): Promise<PlacedArchive | undefined> {
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
  { log, runtime }: BringParts,
  { assignment, key }: AttemptRecord,
  { dir, leftMs }: { readonly dir: string; readonly leftMs: number },
  signal: AbortSignal,
): Promise<{ readonly file: CollectedFile; readonly leftMs: number } | undefined> {
  const attempt = attemptKeyText(key);
  const startMs = performance.now();
  try {
    const saved = await withClock(leftMs, signal, (limit) =>
      untilEngineAnswers(limit, async () => {
        await rm(dir, { recursive: true, force: true });
        await mkdir(dir, { recursive: true, mode: 0o700 });
        return await runtime.save(assignment, join(dir, 'checkpoint.tar'), limit);
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
  { access, http, log }: BringParts,
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
