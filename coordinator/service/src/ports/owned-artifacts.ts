import type { AccountId, JobId } from '@capacloud/protocol/ids';
import type { Result } from '@capacloud/protocol/result';
import type { OwnedArtifact } from './artifact-index.ts';
import type { Page, PageRequest } from './read-store.ts';

export interface ArtifactUse {
  /** With what is announced and not there yet. */
  readonly usedBytes: number;
  readonly quotaBytes: number;
}

export interface FreedSpace {
  readonly artifacts: number;
  /** Of the account's quota; what it refers to otherwise as well frees nothing. */
  readonly freedBytes: number;
}

export type OwnedArtifactPage = Page<OwnedArtifact>;

/** What an account has in the artifact store. */
export interface OwnedArtifacts {
  use(account: AccountId): Promise<ArtifactUse>;
  /** By hash; undefined for a cursor that this list did not give. */
  list(account: AccountId, page: PageRequest): Promise<OwnedArtifactPage | undefined>;
  /** Drops what the account refers to for the job, outputs and inputs; request.conflict while it is live. */
  releaseJob(account: AccountId, job: JobId): Promise<Result<FreedSpace>>;
}
