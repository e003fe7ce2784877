import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import { apiLimits } from '@capacloud/protocol/routes/routes';
import type { ArtifactView } from '@capacloud/protocol/routes/views';
import { pause } from '@capacloud/waiting/pause';
import { ApiError } from './api-error.ts';
import { readBody } from './body.ts';
import type { Client } from './client.ts';

/** Bytes done and in all; called at each chunk. */
export type Progress = (doneBytes: number, totalBytes: number) => void;

const maxFailuresInARow = 6;
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;

/** SHA-256 of a file, read as a stream. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<Sha256Hex> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, signal === undefined ? {} : { signal }))
    hash.update(chunk as Buffer);
  return hash.digest('hex') as Sha256Hex;
}

interface TransferOptions {
  readonly onProgress?: Progress;
  readonly signal?: AbortSignal;
  /** First pause after a failure; it doubles with each in a row. Default 400 ms. */
  readonly pauseMs?: number;
}

/**
 * Uploads a file by its content; what the coordinator has already is not sent again. Throws ApiError, or what
 * the file system says.
 */
export async function uploadArtifact(
  client: Client,
  path: string,
  options: TransferOptions & {
    /** Where it is known already, the file is not read for it again. */
    readonly sha256?: Sha256Hex;
  } = {},
): Promise<ArtifactView> {
  const { onProgress, signal } = options;
  const withSignal = signal === undefined ? {} : { signal };
  const [sha256, { size }] = await Promise.all([options.sha256 ?? hashFile(path, signal), stat(path)]);
  // Announced again after each failure: how far it has come is for the coordinator to say.
  const announce = () => client.call('createArtifact', { body: { sha256, size_bytes: size }, ...withSignal });
  let view = await announce();
  const file = await open(path, 'r');
  let failures = 0;
  try {
    while (!view.complete) {
      onProgress?.(view.offset, size);
      const { offset } = view;
      if (offset === size && failures++ < maxFailuresInARow) {
        // Every byte is there and the coordinator was stopped before it had checked them, or checks them now.
        await pause((options.pauseMs ?? 400) * 2 ** (failures - 1), signal);
        view = await announce();
        continue;
      }
      if (offset < 0 || offset >= size) throw new Error(`the coordinator asks for byte ${offset} of ${size}`);
      const chunk = Buffer.alloc(Math.min(apiLimits.artifactChunkBytes, size - offset));
      const { bytesRead } = await file.read(chunk, 0, chunk.length, offset);
      if (bytesRead < chunk.length) throw new Error(`${path} became shorter while it was uploaded`);
      try {
        view = await client.call('appendArtifact', {
          params: { sha256 },
          headers: { 'upload-offset': String(offset) },
          body: chunk,
          ...withSignal,
        });
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof ApiError) || !error.retryable || failures >= maxFailuresInARow) throw error;
        await pause((options.pauseMs ?? 400) * 2 ** failures, signal);
        view = await announce();
      }
      failures = view.offset > offset ? 0 : failures + 1;
      if (failures > maxFailuresInARow) throw new Error('the coordinator takes the chunks and keeps none');
    }
  } finally {
    await file.close();
  }
  onProgress?.(size, size);
  return view;
}

/**
 * Downloads an artifact into a file, continuing what an earlier try left, and checks its hash. The file appears
 * whole or not at all. Throws ApiError, or what the file system says.
 */
export async function downloadArtifact(
  client: Client,
  artifact: ArtifactName,
  path: string,
  options: TransferOptions = {},
): Promise<void> {
  const { onProgress, signal } = options;
  await mkdir(dirname(path), { recursive: true });
  if ((await sizeOf(path)) === artifact.sizeBytes && (await hashFile(path, signal)) === artifact.sha256) {
    onProgress?.(artifact.sizeBytes, artifact.sizeBytes);
    return;
  }
  const partial = `${path}.${artifact.sha256.slice(0, 12)}.part`;
  for (let failures = 0; ; ) {
    const before = await sizeOf(partial);
    try {
      await fetchRest(client, artifact, partial, options);
      break;
    } catch (error) {
      signal?.throwIfAborted();
      const final = error instanceof ApiError && !error.retryable;
      if ((await sizeOf(partial)) > before) failures = 0;
      // What no repeat mends leaves nothing behind that another call could go on with.
      if (final) await rm(partial, { force: true });
      if (final || isLocal(error) || ++failures >= maxFailuresInARow) throw error;
      await pause((options.pauseMs ?? 400) * 2 ** (failures - 1), signal);
    }
  }
  if ((await hashFile(partial, signal)) !== artifact.sha256) {
    await rm(partial, { force: true });
    throw damaged(`${path} does not have the hash ${artifact.sha256}`);
  }
  try {
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

interface ArtifactName {
  readonly sha256: Sha256Hex;
  readonly sizeBytes: number;
}

/** Not retryable here: the bytes came whole, and they are wrong. */
function damaged(detail: string): ApiError {
  return new ApiError({
    code: 'artifact.hash_mismatch',
    title: 'Damaged download',
    status: 0,
    detail,
    hint: 'Try again; if it happens twice, report the coordinator.',
    retryable: false,
  });
}

async function fetchRest(
  client: Client,
  artifact: ArtifactName,
  partial: string,
  { onProgress, signal }: TransferOptions,
): Promise<void> {
  let offset = Math.max(0, await sizeOf(partial));
  if (offset > artifact.sizeBytes) {
    await rm(partial, { force: true });
    offset = 0;
  }
  // Whoever named the file may have had a link made in its place.
  const file = await open(partial, O_WRONLY | O_APPEND | O_CREAT | (O_NOFOLLOW ?? 0), 0o666);
  try {
    if (offset === artifact.sizeBytes) return;
    const headers: Record<string, string> = { accept: '*/*' };
    if (offset > 0) headers.range = `bytes=${offset}-`;
    const response = await client.open('getArtifact', {
      params: { sha256: artifact.sha256 },
      headers,
      ...(signal === undefined ? {} : { signal }),
    });
    if (offset > 0 && response.status !== 206) {
      await file.truncate(0);
      offset = 0;
    }
    for await (const chunk of readBody(response.body, signal)) {
      offset += chunk.length;
      if (offset > artifact.sizeBytes) {
        await file.truncate(0);
        throw damaged(
          `the coordinator sends more than the ${artifact.sizeBytes} bytes of ${artifact.sha256}`,
        );
      }
      await file.appendFile(chunk);
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
    /^(ELOOP|ENOSPC|EACCES|EROFS|EISDIR|ENOTDIR|EDQUOT)$/.test(error.code)
  );
}

/** -1 when there is no such file: that is not the same as an empty one. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return -1;
  }
}
