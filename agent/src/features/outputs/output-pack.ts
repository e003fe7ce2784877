import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { maxOutputFiles, packedOutputPath } from '@capacloud/protocol/wire/outputs';
import { pack } from 'tar-stream';
import type { CollectedFile } from '../../core/ports.ts';
import { drained } from '../../engine/tar-feed.ts';

/** A receipt has room for so much of outputs. */
const maxManifestBytes = 190 * 1024;
/** More than the headers of one entry, and more than those that end an archive. */
const headerBytes = 8 * 1024;

export interface FileSplit {
  readonly named: readonly CollectedFile[];
  readonly packed: readonly CollectedFile[];
  /** They would make the archive too large. */
  readonly left: readonly CollectedFile[];
}

/** Which files a receipt names, first come by name, and which further ones go into one archive. */
export function splitFiles(files: readonly CollectedFile[], maxFileBytes: number): FileSplit {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const fitting = countFitting(sorted, maxOutputFiles);
  if (fitting === sorted.length) return { named: sorted, packed: [], left: [] };
  const named = sorted.slice(0, countFitting(sorted, maxOutputFiles - 1));
  const packed: CollectedFile[] = [];
  const left: CollectedFile[] = [];
  let bytes = headerBytes;
  for (const file of sorted.slice(named.length)) {
    const size = headerBytes + file.sizeBytes;
    if (bytes + size > maxFileBytes) left.push(file);
    else {
      bytes += size;
      packed.push(file);
    }
  }
  return { named, packed, left };
}

function countFitting(files: readonly CollectedFile[], most: number): number {
  let bytes = 512;
  let count = 0;
  for (const { path, sha256, sizeBytes } of files.slice(0, most)) {
    bytes += Buffer.byteLength(JSON.stringify({ path, sha256, sizeBytes })) + 1;
    if (bytes > maxManifestBytes) break;
    count += 1;
  }
  return count;
}

/** Packs files into one tar archive; the names in it are their paths, without the first slash. */
export async function packFiles(
  files: readonly CollectedFile[],
  intoFile: string,
  signal: AbortSignal,
): Promise<CollectedFile> {
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
  const target = createWriteStream(intoFile, { flags: 'wx', mode: 0o600 });
  const writing = pipeline(count(archive as AsyncIterable<Buffer>), target, { signal });
  const packing = fill(archive, files, signal).catch((error: unknown) => {
    archive.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  try {
    // The packing first: what it fails with says more than the broken archive that follows from it.
    await Promise.all([packing, writing]);
  } finally {
    archive.destroy();
  }
  return {
    path: packedOutputPath,
    sizeBytes,
    sha256: hash.digest('hex') as Sha256Hex,
    localPath: intoFile,
    packed: files.length,
  };
}

async function fill(
  archive: ReturnType<typeof pack>,
  files: readonly CollectedFile[],
  signal: AbortSignal,
): Promise<void> {
  for (const { localPath, path, sizeBytes } of files) {
    const header = { name: path.slice(1), size: sizeBytes, mode: 0o644, mtime: new Date(0) };
    const entry = archive.entry(header);
    for await (const chunk of createReadStream(localPath) as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      if (archive.destroyed) throw new Error('the archive broke off');
      if (!entry.write(chunk) && !entry.destroyed) await drained(entry);
    }
    entry.end(undefined);
  }
  archive.finalize();
}
