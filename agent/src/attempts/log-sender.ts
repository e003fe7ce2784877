import { setTimeout as sleep } from 'node:timers/promises';
import { type AttemptKey } from '../core/ports.ts';
import { type CoordinatorHttp, TransferRefused } from './coordinator-http.ts';
import type { LogSpool } from './log-spool.ts';

const chunkBytes = 256 * 1024;
/** Short outputs gather for this long, so that a chatty program does not make a request a line. */
const gatherMs = 250;
/** Disagreements about the offset in a row after which the rest of the log is given up. */
const maxMismatches = 5;

/**
 * Sends the spool while it grows and until its end is acknowledged. Resolves with the offset that the
 * coordinator holds; it may hold less than the spool when it wants no more.
 */
export async function sendLog(
  http: CoordinatorHttp,
  key: AttemptKey,
  spool: LogSpool,
  signal: AbortSignal,
): Promise<number> {
  let offset = 0;
  let mismatches = 0;
  for (;;) {
    await spool.grown(offset, signal);
    if (!spool.finished) await sleep(gatherMs, undefined, { signal });
    if (spool.finished && spool.sizeBytes === 0) return 0;
    const chunk = await spool.read(offset, chunkBytes);
    const final = spool.finished && offset + chunk.length >= spool.sizeBytes;
    try {
      const answer = await http.call(
        {
          method: 'PUT',
          path: `/v1/tasks/${key.task}/attempts/${key.attempt}/log?offset=${offset}${final ? '&final=true' : ''}`,
          headers: { 'content-type': 'application/octet-stream' },
          body: new Uint8Array(chunk),
        },
        signal,
      );
      const before = offset;
      offset =
        typeof answer.offset === 'number' ? Math.min(answer.offset, spool.sizeBytes) : before + chunk.length;
      // An answer that takes nothing of a chunk may not keep us here for ever.
      mismatches = offset > before || chunk.length === 0 ? 0 : mismatches + 1;
      if (mismatches > maxMismatches) return offset;
      if (final && offset >= spool.sizeBytes) return offset;
    } catch (error) {
      if (!(error instanceof TransferRefused)) throw error;
      mismatches += 1;
      const resumes = error.code === 'artifact.offset_mismatch' && error.offset !== undefined;
      if (!resumes || mismatches > maxMismatches) return offset;
      // After a restart the agent begins at 0, and this is how it learns how far it had come.
      offset = Math.min(error.offset ?? 0, spool.sizeBytes);
    }
  }
}
