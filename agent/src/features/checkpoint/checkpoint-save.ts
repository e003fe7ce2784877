import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import type Docker from 'dockerode';
import { pack } from 'tar-stream';
import type { CollectedFile } from '../../core/ports.ts';
import { deadlines, openEngineStream } from '../../engine/engine-call.ts';
import { repack } from './checkpoint-archive.ts';

/** Whoever unpacks it names the owner. */
const noOwner = { uid: 0, gid: 0 };

/**
 * Writes a folder of an ended attempt's scratch into one archive; undefined when the folder is empty. What is no plain
 * file or folder is left out. Throws ArchiveRefused when it is too much.
 */
export async function saveFolder(
  docker: Docker,
  source: { readonly keeper: string; readonly keeperPath: string },
  checkpoint: { readonly path: string; readonly maxBytes: number },
  intoFile: string,
  signal: AbortSignal,
): Promise<CollectedFile | undefined> {
  const stream = await openEngineStream(signal, deadlines.idleMs, (abortSignal) =>
    docker.getContainer(source.keeper).getArchive({ path: source.keeperPath, abortSignal }),
  );
  const archive = pack();
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const count = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
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
    const packing = repack(stream.chunks, archive, rules, signal).catch((error: unknown) => {
      archive.destroy(error instanceof Error ? error : new Error(String(error)));
      throw error;
    });
    // The packing first: what it fails with says more than the broken archive that follows from it.
    const [entries] = await Promise.all([packing, writing]);
    if (entries === 0) return undefined;
  } finally {
    stream.close();
    archive.destroy();
  }
  return { path: checkpoint.path, sizeBytes, sha256: hash.digest('hex') as Sha256Hex, localPath: intoFile };
}
