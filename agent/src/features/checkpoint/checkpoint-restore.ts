import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Pack } from 'tar-stream';
import { PlacedFileMissing } from '../../core/placed-file.ts';
import { type AttemptKey, EngineUnavailable, type PlacedArchive } from '../../core/ports.ts';
import { keeperName } from '../../engine/attempt-names.ts';
import type { Engine } from '../../engine/engine.ts';
import { engineMessage, engineStatus } from '../../engine/engine-call.ts';
import { scratchOf } from '../../scratch/mount-plan.ts';
import type { FillInput } from '../feature.ts';
import { ArchiveRefused, type RepackRules, repack } from './checkpoint-archive.ts';

/** An archive that was read to its end and found fit. */
interface SavedArchive extends PlacedArchive {
  readonly sizeBytes: number;
  readonly keeperPath: string;
  readonly rules: RepackRules;
}

/** Reads through what an earlier attempt left before the engine sees any of it; undefined when there is nothing to unpack. */
export async function examineSaved(
  { assignment: { checkpoint }, owner, plan, saved }: FillInput,
  signal: AbortSignal,
): Promise<SavedArchive | undefined> {
  if (saved === undefined || checkpoint === undefined) return undefined;
  const mount = scratchOf(plan, checkpoint.path);
  const { localPath, onUnfit } = saved;
  const info = await stat(localPath).catch((cause: unknown) => {
    throw new PlacedFileMissing('the saved checkpoint is not there', { cause });
  });
  const rules = { maxBytes: checkpoint.maxBytes, owner, leadingParts: 0, odd: 'refuse' } as const;
  try {
    const entries = await repack(createReadStream(localPath), undefined, rules, signal);
    if (entries === 0) throw new ArchiveRefused('it is empty');
    return { localPath, onUnfit, sizeBytes: info.size, keeperPath: mount.keeperPath, rules };
  } catch (error) {
    signal.throwIfAborted();
    // Also what is no archive at all, or half of one: each try would end the same.
    onUnfit(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/**
 * Hands a saved archive, packed anew, to the engine through the keeper. False when the engine would not have it, as when
 * it needs more room than there is: then a part of it may be there.
 */
export async function unpackSaved(
  engine: Engine,
  key: AttemptKey,
  saved: SavedArchive,
  signal: AbortSignal,
): Promise<boolean> {
  const keeper = keeperName(key);
  try {
    const { keeperPath: path, localPath, rules, sizeBytes } = saved;
    const write = async (archive: Pack, abortSignal: AbortSignal) => {
      // ISOLATE-4
      await repack(createReadStream(localPath), archive, rules, abortSignal);
    };
    await engine.putArchive(keeper, { path, sizeBytes, write }, signal);
    return true;
  } catch (error) {
    // An engine that refuses in the middle may be heard as one that hangs up; it is there, and so is its keeper.
    const isRefusal = engineStatus(error) !== undefined || error instanceof EngineUnavailable;
    const info = isRefusal ? await engine.inspectContainer(keeper, signal) : undefined;
    if (info?.State.Running !== true) throw error;
    saved.onUnfit(engineMessage(error));
    return false;
  }
}
