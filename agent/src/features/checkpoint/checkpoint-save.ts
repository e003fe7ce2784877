import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { accept, type Result } from '@capacloud/protocol/result';
import { pack } from 'tar-stream';
import type { CollectedFile, RuntimeFailure } from '../../core/ports.ts';
import { say } from '../../core/sentence.ts';
import { keeperName } from '../../engine/attempt-names.ts';
import { scratchOf } from '../../scratch/mount-plan.ts';
import type { SaveInput } from '../feature.ts';
import { ArchiveRefused, repack } from './checkpoint-archive.ts';

/** The node that unpacks it names the owner. */
const noOwner = { uid: 0, gid: 0 };

/**
 * Writes the folder of an ended attempt into one archive; undefined when the folder is empty. Anything but plain files and
 * folders is left out.
 */
export async function saveFolder(
  { assignment, engine, intoFile, plan }: SaveInput,
  signal: AbortSignal,
): Promise<Result<CollectedFile | undefined, RuntimeFailure>> {
  const { checkpoint } = assignment;
  if (checkpoint === undefined) return accept(undefined);
  const { keeperPath } = scratchOf(plan, checkpoint.path);
  const stream = await engine.getArchive(keeperName(assignment), keeperPath, signal);
  try {
    return accept(await writeArchive(stream.chunks, checkpoint, intoFile, signal));
  } catch (error) {
    if (!(error instanceof ArchiveRefused)) throw error;
    const message = say`The checkpoint could not be kept: it holds too much, or something that is no plain file or folder.`;
    return { ok: false, refusal: { reason: 'output_invalid', message, detail: error.message } };
  } finally {
    stream.close();
  }
}

/** Packs anew what the engine sends. Throws ArchiveRefused when it is too much. */
async function writeArchive(
  chunks: AsyncIterable<Buffer>,
  checkpoint: { readonly path: string; readonly maxBytes: number },
  intoFile: string,
  signal: AbortSignal,
): Promise<CollectedFile | undefined> {
  const archive = pack();
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const count = async function* (packed: AsyncIterable<Buffer>) {
    for await (const chunk of packed) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
  };
  const rules = {
    maxBytes: checkpoint.maxBytes,
    owner: noOwner,
    // The engine's names begin with the folder's own.
    leadingParts: 1,
    odd: 'leave out',
  } as const;
  try {
    const target = createWriteStream(intoFile, { flags: 'wx', mode: 0o600 });
    const writing = pipeline(count(archive as AsyncIterable<Buffer>), target, { signal });
    const packing = repack(chunks, archive, rules, signal).catch((error: unknown) => {
      archive.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    });
    // The packing first: what it fails with says more than the broken archive that follows from it.
    const [entries] = await Promise.all([packing, writing]);
    if (entries === 0) return undefined;
  } finally {
    archive.destroy();
  }
  return { path: checkpoint.path, sizeBytes, sha256: hash.digest('hex') as Sha256Hex, localPath: intoFile };
}
