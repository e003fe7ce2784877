import { rm, stat } from 'node:fs/promises';
import type { Sha256Hex } from '@capacloud/protocol/ids';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { BroughtOutputs } from './brought-outputs.ts';
import type { StagedUpload, Staging } from './staging.ts';

/** Partial uploads are dropped after so long without a byte, content after so long without a reference. */
export const staleAfterMs = 24 * 3600 * 1000;
const maxCollected = 1000;

export interface Collected {
  readonly uploads: number;
  readonly artifacts: number;
}

interface Kept {
  readonly brought: BroughtOutputs;
  readonly index: ArtifactIndex;
  readonly staging: Staging;
  readonly isAppending: (upload: StagedUpload) => boolean;
  readonly pathOf: (sha256: Sha256Hex) => string;
}

/** Drops uploads that nobody goes on with and content that nobody refers to. */
export async function collectStale(
  { brought, index, isAppending, pathOf, staging }: Kept,
  { broughtForMs, now }: { readonly now: number; readonly broughtForMs: number },
  signal: AbortSignal,
): Promise<Collected> {
  const before = now - staleAfterMs;
  const uploads = staging.untouchedSince(before).slice(0, maxCollected);
  for (const upload of uploads) {
    if (signal.aborted || isAppending(upload)) continue;
    await staging.discard(upload);
  }
  for (const { provider, sha256 } of await brought.before(now - broughtForMs, maxCollected)) {
    if (signal.aborted) break;
    await index.removeRef({ sha256, account: provider });
    await brought.forget({ provider, sha256 });
  }
  let artifacts = 0;
  for (const row of await index.listStale(before, maxCollected)) {
    if (signal.aborted) break;
    const file = await stat(pathOf(row.sha256)).catch(() => undefined);
    // Uploaded again lately, by somebody whose claim may be on its way.
    if (file !== undefined && file.mtimeMs >= before) continue;
    // Row first: a file without a row is found by nobody, a row without its file would promise bytes.
    await index.remove(row.sha256);
    await rm(pathOf(row.sha256), { force: true });
    artifacts += 1;
  }
  return { uploads: uploads.length, artifacts };
}
