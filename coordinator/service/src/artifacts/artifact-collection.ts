import { rm, stat } from 'node:fs/promises';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import type { ArtifactIndex, ArtifactRow } from '../ports/artifact-index.ts';
import type { BroughtOutputs } from './brought-outputs.ts';
import type { StagedUpload, Staging } from './staging.ts';
import type { Turns } from './turns.ts';
import type { UploadRights } from './upload-rights.ts';

/**
 * An upload without a byte for so long is dropped with what has arrived of it. Its sender begins anew; a link that is down
 * for longer is rare, and what nobody goes on with takes room from others.
 */
export const idleUploadMs = 10 * 60_000;
/** Content is there before its row says so for a moment only; after so long the process ended between the two. */
const incompleteMs = 60_000;
const maxCollected = 1000;

export interface Collected {
  readonly uploads: number;
  readonly artifacts: number;
}

interface Kept {
  readonly brought: BroughtOutputs;
  readonly index: ArtifactIndex;
  readonly staging: Staging;
  readonly rights: UploadRights;
  readonly turns: Turns;
  readonly isAppending: (upload: StagedUpload) => boolean;
  readonly pathOf: (sha256: Sha256Hex) => string;
  readonly settled: () => Promise<void>;
}

/** Drops uploads that nobody goes on with, what was brought for attempts that have ended, and content that nobody has. */
export async function collectUseless(kept: Kept, now: number, signal: AbortSignal): Promise<Collected> {
  const uploads = await dropUploads(kept, now - idleUploadMs, signal);
  await kept.brought.dropUseless(now - idleUploadMs, kept.settled);
  let artifacts = 0;
  for (const row of await kept.index.listStale(now, maxCollected)) {
    if (signal.aborted) break;
    if (await dropContent(kept, row, now)) artifacts += 1;
  }
  return { uploads, artifacts };
}

async function dropUploads(
  { isAppending, rights, staging }: Kept,
  before: number,
  signal: AbortSignal,
): Promise<number> {
  let dropped = 0;
  for (const upload of staging.all()) {
    if (signal.aborted) return dropped;
    // However it trickles in, what comes before its attempt uploads at all is bounded in time, too.
    const isEarly = upload.begunAt < before && (await rights.isEarly(upload.owner));
    // Only now: it may go on while the question is answered.
    const isIdle = upload.touchedAt < before && !isAppending(upload);
    if (!isIdle && !isEarly) continue;
    await staging.discard(upload);
    dropped += 1;
  }
  for (const owner of await staging.owners()) {
    if ((await rights.payersOf(owner)) !== undefined) continue;
    dropped += staging.of(owner).length;
    await staging.removeOwner(owner);
  }
  return dropped;
}

/** In a turn of its own: nobody completes an upload of the same bytes meanwhile. */
function dropContent({ index, pathOf, turns }: Kept, { sha256 }: ArtifactRow, now: number): Promise<boolean> {
  return turns.take(sha256, async () => {
    const row = await index.get(sha256);
    // It was moved to its place, where only checked content comes, and the process ended before its row said so.
    if (row?.complete === false && (await stat(pathOf(sha256)).catch(() => undefined)) !== undefined)
      await index.markComplete(sha256);
    // Row first: a file without a row is found by nobody, a row without its file would promise bytes.
    await index.removeUseless(sha256, now - incompleteMs);
    if ((await index.get(sha256)) !== undefined) return false;
    await rm(pathOf(sha256), { force: true });
    return true;
  });
}
