import { setTimeout as sleep } from 'node:timers/promises';
import { keptOutputsProtocol } from '@capacloud/protocol/wire/protocol-versions';
import { type AttemptKey } from '../../core/ports.ts';
import { type CoordinatorHttp, TransferRefused } from '../../transfer/coordinator-http.ts';
import type { LogSpool } from './log-spool.ts';

const chunkBytes = 256 * 1024;
/** Short outputs gather for this long, so that a chatty program does not make a request a line. */
const gatherMs = 250;
/** Disagreements about the offset in a row after which the rest of the log is given up. */
const maxMismatches = 5;
/** What an older coordinator is sent in place of the end of a long log, which it has no place for. */
const marker = Buffer.from('\n[capacloud: the log is longer than allowed; the rest was dropped]\n');

interface Chunk {
  readonly bytes: Buffer;
  readonly final: boolean;
  /** The chunk is of the end, behind a gap that begins here. */
  readonly gapFrom?: number;
}

/**
 * Sends the spool while it grows and until its end is acknowledged. Of a log that outgrows the spool the end is sent when the
 * container has ended. Resolves with the offset that the coordinator holds; it may hold less than the spool when it wants
 * no more.
 */
export async function sendLog(
  http: CoordinatorHttp,
  key: AttemptKey,
  spool: LogSpool,
  signal: AbortSignal,
): Promise<number> {
  let offset = 0;
  let isTail = false;
  let mismatches = 0;
  for (;;) {
    await spool.grown(offset < spool.limitBytes ? offset : Number.POSITIVE_INFINITY, signal);
    if (!spool.finished) await sleep(gatherMs, undefined, { signal });
    if (spool.finished && spool.sizeBytes === 0) return 0;
    const { finished, gap } = spool;
    const knowsGaps = gap === undefined || (await http.protocol(signal)) >= keptOutputsProtocol;
    if (finished && knowsGaps && gap !== undefined && !isTail && offset >= gap.from) {
      isTail = true;
      offset = gap.to;
    }
    const chunk = await nextChunk(spool, offset, { finished, isTail });
    if (chunk === undefined) {
      await spool.grown(Number.POSITIVE_INFINITY, signal);
      continue;
    }
    const { bytes, final, gapFrom } = chunk;
    const end = final ? offset + bytes.length : Math.max(spool.sizeBytes, offset);
    const query = `offset=${offset}${final ? '&final=true' : ''}${gapFrom === undefined ? '' : `&gap_from=${gapFrom}`}`;
    try {
      const answer = await http.call(
        {
          method: 'PUT',
          path: `/v1/tasks/${key.task}/attempts/${key.attempt}/log?${query}`,
          headers: { 'content-type': 'application/octet-stream' },
          body: new Uint8Array(bytes),
        },
        signal,
      );
      const before = offset;
      offset = typeof answer.offset === 'number' ? Math.min(answer.offset, end) : before + bytes.length;
      // An answer that takes nothing of a chunk may not keep us here for ever.
      mismatches = offset > before || bytes.length === 0 ? 0 : mismatches + 1;
      if (mismatches > maxMismatches) return offset;
      if (final && offset >= end) return offset;
    } catch (error) {
      if (!(error instanceof TransferRefused)) throw error;
      mismatches += 1;
      const resumes = error.code === 'artifact.offset_mismatch' && error.offset !== undefined;
      if (!resumes || mismatches > maxMismatches) return offset;
      // After a restart the agent begins at 0, and this is how it learns how far it had come.
      offset = Math.min(error.offset ?? 0, spool.sizeBytes);
      isTail &&= gap !== undefined && offset >= gap.to;
    }
  }
}

/** What to send at an offset; undefined when it is not known before the end. */
async function nextChunk(
  spool: LogSpool,
  offset: number,
  how: { readonly finished: boolean; readonly isTail: boolean },
): Promise<Chunk | undefined> {
  const { finished, isTail } = how;
  const { gap } = spool;
  // What goes beyond the limit is the tail, which is sent once it is known.
  const mayRead = gap === undefined || isTail || offset < spool.limitBytes;
  const bytes = mayRead ? await spool.read(offset, chunkBytes) : undefined;
  if (bytes === undefined) return finished ? { bytes: marker, final: true } : undefined;
  const isEnd = offset + bytes.length >= spool.sizeBytes;
  return {
    bytes,
    final: finished && isEnd && (gap === undefined || isTail),
    ...(isTail && gap !== undefined ? { gapFrom: gap.from } : {}),
  };
}
