import type { Refusal } from '@capacloud/protocol/result';
import { formatSize } from '@capacloud/protocol/units';
import type { ArtifactIndex } from '../ports/artifact-index.ts';
import type { ArtifactParty } from '../ports/artifact-store.ts';
import type { Staging } from './staging.ts';

export interface ArtifactLimits {
  /** Of one artifact. */
  readonly maxArtifactBytes: number;
  /** Of what one account refers to and uploads. */
  readonly accountBytes: number;
  /** Of everything. */
  readonly totalBytes: number;
}

/** Why there is no room for so many bytes more, counting what is announced and not here yet; undefined where there is. */
export async function quotaRefusal(
  limits: ArtifactLimits,
  index: ArtifactIndex,
  staging: Staging,
  by: ArtifactParty,
  sizeBytes: number,
): Promise<Refusal | undefined> {
  const { maxArtifactBytes, accountBytes, totalBytes } = limits;
  if (sizeBytes > maxArtifactBytes)
    return {
      code: 'request.too_large',
      message: `An artifact has at most ${formatSize(maxArtifactBytes)}.`,
    };
  // What nodes bring is bounded by the whole alone: it is not their own.
  const usedByAccount =
    by.kind === 'node' ? 0 : (await index.totalBytes(by.account)) + staging.reservedBytes(by.account);
  if (usedByAccount + sizeBytes > accountBytes)
    return {
      code: 'artifact.quota_exceeded',
      message: `${formatSize(usedByAccount)} of the ${formatSize(accountBytes)} of this account are in use.`,
    };
  const used = (await index.totalBytes()) + staging.reservedBytes();
  if (used + sizeBytes > totalBytes)
    return { code: 'artifact.quota_exceeded', message: 'The storage of the coordinator is full.' };
  return undefined;
}
