import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { attemptHeaderName, attemptName } from '@capacloud/protocol/wire/attempt-name';
import { type Backoff, backoffMs } from '@capacloud/waiting/backoff';
import type { AttemptKey, CollectedFile } from '../core/ports.ts';
import { type CoordinatorHttp, TransferRefused } from './coordinator-http.ts';

const chunkBytes = 4 * 1024 * 1024;
/** Disagreements about the offset in a row before the upload is given up. */
const maxMismatches = 8;
/** Another task may be sending the same bytes: its chunk takes seconds at most. */
const afterMismatch: Backoff = { baseMs: 200, limitMs: 5000 };

function readOffset(
  answer: Readonly<Record<string, unknown>>,
  sizeBytes: number,
): { offset: number; complete: boolean } {
  const { offset, complete } = answer;
  if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0 || offset > sizeBytes) {
    throw new TransferRefused(
      200,
      'artifact.offset_mismatch',
      'the coordinator wants an offset outside the file',
      undefined,
    );
  }
  return { offset, complete: complete === true };
}

/** Uploads one output of the attempt, from wherever an earlier try ended. Throws TransferRefused when the coordinator will not have it. */
export async function uploadFile(
  http: CoordinatorHttp,
  file: CollectedFile,
  signal: AbortSignal,
  key: AttemptKey,
): Promise<void> {
  const ofAttempt = { [attemptHeaderName]: attemptName(key) };
  const body = JSON.stringify({ sha256: file.sha256, size_bytes: file.sizeBytes });
  const announce = {
    method: 'POST',
    path: '/v1/artifacts',
    headers: { 'content-type': 'application/json', ...ofAttempt },
    body,
  } as const;
  let { offset, complete } = readOffset(await http.call(announce, signal), file.sizeBytes);
  let mismatches = 0;
  const handle = await open(file.localPath, 'r');
  try {
    while (!complete) {
      const buffer = Buffer.alloc(Math.min(chunkBytes, file.sizeBytes - offset));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
      if (bytesRead < buffer.length)
        throw new Error(`${file.localPath} is shorter than when it was collected`);
      try {
        const call = {
          method: 'PATCH',
          path: `/v1/artifacts/${file.sha256}`,
          headers: {
            'content-type': 'application/octet-stream',
            'upload-offset': String(offset),
            ...ofAttempt,
          },
          body: new Uint8Array(buffer),
        } as const;
        ({ offset, complete } = readOffset(await http.call(call, signal), file.sizeBytes));
        mismatches = 0;
      } catch (error) {
        mismatches += 1;
        if (
          !(error instanceof TransferRefused) ||
          error.code !== 'artifact.offset_mismatch' ||
          mismatches > maxMismatches
        )
          throw error;
        // A chunk whose answer was lost, or another task with the same bytes: give it time, and ask how far it has come.
        await sleep(backoffMs(afterMismatch, mismatches, Math.random), undefined, { signal });
        ({ offset, complete } = readOffset(await http.call(announce, signal), file.sizeBytes));
      }
    }
  } finally {
    await handle.close();
  }
}
