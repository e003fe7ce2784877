import type { AccountId, JobId } from '@capacloud/protocol/ids';
import type { Refusal, Result } from '@capacloud/protocol/result';
import type { OwnedArtifact } from './artifact-index.ts';
import type { KeptBytes, Page, PageRequest } from './read-store.ts';

export interface StorageUse {
  /** With what is announced and not there yet. */
  readonly usedBytes: number;
  readonly quotaBytes: number;
  /** Bytes by what they are for; together they are `usedBytes`. */
  readonly artifacts: number;
  readonly logs: number;
  readonly rows: KeptBytes;
}

export interface FreedSpace {
  readonly artifacts: number;
  /** Of the account's quota; what it refers to otherwise as well frees nothing. */
  readonly freedBytes: number;
}

export type OwnedArtifactPage = Page<OwnedArtifact>;

/** What an account has in the artifact store. */
export interface OwnedArtifacts {
  use(account: AccountId): Promise<StorageUse>;
  /** Why the account may not have so many bytes of rows more; undefined where it may, and then they count as taken. */
  refusalOfJob(account: AccountId, bytes: number): Promise<Refusal | undefined>;
  /** By hash; undefined for a cursor that this list did not give. */
  list(account: AccountId, page: PageRequest): Promise<OwnedArtifactPage | undefined>;
  /** Drops what is stored for the job: outputs, inputs, task logs and the text of its spec; request.conflict while it is live. */
  releaseJob(account: AccountId, job: JobId): Promise<Result<FreedSpace>>;
}
