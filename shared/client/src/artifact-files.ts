import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { apiLimits } from '@capacloud/protocol/routes';
import type { ArtifactView } from '@capacloud/protocol/views';
import { ApiError } from './api-error.ts';
import type { Client } from './client.ts';
import { pause } from './pause.ts';

/** Bytes done and in all; called at each chunk. */
export type Progress = (doneBytes: number, totalBytes: number) => void;

const maxFailuresInARow = 6;

/** SHA-256 of a file, read as a stream. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<Sha256Hex> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, signal === undefined ? {} : { signal }))
    hash.update(chunk as Buffer);
  return hash.digest('hex') as Sha256Hex;
}

/** Uploads a file by its content; what the coordinator has already is not sent again. Returns its hash. */
export async function uploadArtifact(
  client: Client,
  path: string,
  options: { readonly onProgress?: Progress; readonly signal?: AbortSignal } = {},
): Promise<ArtifactView> {
  const { onProgress, signal } = options;
  const withSignal = signal === undefined ? {} : { signal };
  const [sha256, { size }] = await Promise.all([hashFile(path, signal), stat(path)]);
  let view = await client.call('createArtifact', { body: { sha256, size_bytes: size }, ...withSignal });
  const file = await open(path, 'r');
  let failures = 0;
  try {
    while (!view.complete) {
      onProgress?.(view.offset, size);
      const chunk = Buffer.alloc(Math.min(apiLimits.artifactChunkBytes, size - view.offset));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, view.offset);
      if (bytesRead < chunk.length) throw new Error(`${path} became shorter while it was uploaded`);
      try {
        view = await client.call('appendArtifact', {
          params: { sha256 },
          headers: { 'upload-offset': String(view.offset) },
          body: chunk,
          ...withSignal,
        });
        failures = 0;
      } catch (error) {
        if (!(error instanceof ApiError) || !error.retryable || ++failures >= maxFailuresInARow) throw error;
        await pause(200 * 2 ** failures, signal);
        // Whether the chunk arrived is for the coordinator to say.
        view = await client.call('getArtifactStatus', { params: { sha256 }, ...withSignal });
      }
    }
  } finally {
    await file.close();
  }
  onProgress?.(size, size);
  return view;
}

/** Downloads an artifact into a file, continuing what an earlier try left, and checks its hash. */
export async function downloadArtifact(
  client: Client,
  artifact: { readonly sha256: Sha256Hex; readonly sizeBytes: number },
  path: string,
  options: { readonly onProgress?: Progress; readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { onProgress, signal } = options;
  await mkdir(dirname(path), { recursive: true });
  if ((await sizeOf(path)) === artifact.sizeBytes && (await hashFile(path, signal)) === artifact.sha256)
    return;
  const partial = `${path}.${artifact.sha256.slice(0, 12)}.part`;
  for (let failures = 0; ; ) {
    try {
      await fetchRest(client, artifact, partial, onProgress, signal);
      break;
    } catch (error) {
      signal?.throwIfAborted();
      const final = error instanceof ApiError && !error.retryable;
      if (final || isLocal(error) || ++failures >= maxFailuresInARow) throw error;
      await pause(200 * 2 ** failures, signal);
    }
  }
  if ((await hashFile(partial, signal)) !== artifact.sha256) {
    await rm(partial, { force: true });
    throw new ApiError({
      code: 'artifact.hash_mismatch',
      title: 'Damaged download',
      status: 0,
      detail: `${path} does not have the hash ${artifact.sha256}`,
      hint: 'Try again; if it happens twice, report the coordinator.',
      retryable: true,
    });
  }
  await rename(partial, path);
}

async function fetchRest(
  client: Client,
  artifact: { readonly sha256: Sha256Hex; readonly sizeBytes: number },
  partial: string,
  onProgress: Progress | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  let offset = await sizeOf(partial);
  if (offset > artifact.sizeBytes) {
    await rm(partial, { force: true });
    offset = 0;
  }
  const file = await open(partial, 'a');
  try {
    if (offset === artifact.sizeBytes) return;
    const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
    const response = await client.open('getArtifact', {
      params: { sha256: artifact.sha256 },
      headers,
      ...(signal === undefined ? {} : { signal }),
    });
    if (offset > 0 && response.status !== 206) {
      await file.truncate(0);
      offset = 0;
    }
    for await (const chunk of response.body ?? []) {
      offset += chunk.length;
      if (offset > artifact.sizeBytes) throw new Error('the answer is longer than the artifact');
      await file.write(chunk);
      onProgress?.(offset, artifact.sizeBytes);
    }
    if (offset < artifact.sizeBytes) throw new Error('the answer ended early');
  } finally {
    await file.close();
  }
}

/** A failure of this machine's file system, which no repeat mends. */
function isLocal(error: unknown): boolean {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^(ENOSPC|EACCES|EROFS|EISDIR|ENOTDIR|EDQUOT)$/.test(error.code)
  );
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}
