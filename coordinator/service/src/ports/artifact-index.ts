import type { AccountId, JobId, NodeId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import type { AttemptRef } from '@capacloud/protocol/wire/frames';
import type { OutputFile } from '@capacloud/protocol/wire/receipt';

/** What is known of a content-addressed file. The bytes are the artifact room's. */
export interface ArtifactRow {
  readonly sha256: Sha256Hex;
  readonly sizeBytes: number;
  /** All bytes are there and their hash was checked. */
  readonly complete: boolean;
  readonly createdAt: number;
}
/** Why an account may read an artifact; it counts against its quota once. `job` is set for inputs and outputs of a job. */
export interface ArtifactRef {
  readonly sha256: Sha256Hex;
  readonly account: AccountId;
  readonly job?: JobId;
}

/** An artifact that an account refers to, and for which of its jobs; uploaded for itself where there are none. */
export interface OwnedArtifact extends ArtifactRow {
  readonly jobs: readonly JobId[];
}

/** An archive of what an attempt that was stopped had in its checkpoint folder. */
export interface TaskCheckpoint {
  readonly task: TaskId;
  readonly attempt: number;
  readonly sha256: Sha256Hex;
}

/** Outputs of an attempt that did not succeed. */
export interface LeftOutputs {
  readonly task: TaskId;
  readonly attempt: number;
  readonly sha256s: readonly Sha256Hex[];
}

/** A file that a node uploaded for an attempt, and that no account has a claim to. */
export interface BroughtFile extends AttemptRef {
  readonly node: NodeId;
  readonly sha256: Sha256Hex;
  readonly sizeBytes: number;
  readonly at: number;
}

/** Metadata of artifacts. Every write is durable when its promise resolves, and later reads see it. */
export interface ArtifactIndex {
  /** Adds the row (incomplete) if it is not there, and the reference. Gives the row as it then is. */
  put(ref: ArtifactRef, sizeBytes: number, at: number): Promise<ArtifactRow>;
  markComplete(sha256: Sha256Hex): Promise<void>;
  get(sha256: Sha256Hex): Promise<ArtifactRow | undefined>;
  /** Does nothing when there is no such artifact or the reference exists. */
  addRef(ref: ArtifactRef): Promise<void>;
  removeRef(ref: ArtifactRef): Promise<void>;
  /** All references, or those of one account; at most 1,000. */
  listRefs(sha256: Sha256Hex, account?: AccountId): Promise<readonly ArtifactRef[]>;
  /** What the account refers to, in order of the hashes, after the given one. */
  listOwned(
    account: AccountId,
    after: Sha256Hex | undefined,
    limit: number,
  ): Promise<readonly OwnedArtifact[]>;
  /** What the account refers to for the job. */
  listOfJob(account: AccountId, job: JobId): Promise<readonly Sha256Hex[]>;
  /** Bytes of distinct artifacts that the account refers to, or of all artifacts. */
  totalBytes(account?: AccountId): Promise<number>;
  /** Candidates for collection, oldest first: incomplete, or without a reference, and created before `before`. */
  listStale(before: number, limit: number): Promise<readonly ArtifactRow[]>;
  /** Removes the row where nobody refers to it; where it is incomplete since before `before`, with its references. */
  removeUseless(sha256: Sha256Hex, before: number): Promise<void>;
  /** Where no later attempt of the task has left one, in place of what is there; it counts against the account's quota. */
  keepCheckpoint(checkpoint: TaskCheckpoint, account: AccountId): Promise<void>;
  checkpointOf(task: TaskId): Promise<(TaskCheckpoint & Pick<ArtifactRow, 'sizeBytes'>) | undefined>;
  /** Tasks that have one, in order of their ids, after the given one. */
  listCheckpoints(after: TaskId | undefined, limit: number): Promise<readonly TaskId[]>;
  dropCheckpoint(task: TaskId): Promise<void>;
  /** Where no later attempt of the task has left any, in place of what is there; they count against the account's quota. */
  keepLeft(left: LeftOutputs, account: AccountId): Promise<void>;
  /** The attempt whose outputs are kept though it did not succeed. */
  leftBy(task: TaskId): Promise<number | undefined>;
  dropLeft(task: TaskId): Promise<void>;
  /** Adds the rows (incomplete) that are not there, and keeps them for their attempts. No account may read them. */
  bring(files: readonly BroughtFile[]): Promise<void>;
  hasBrought(attempt: AttemptRef, sha256: Sha256Hex): Promise<boolean>;
  listBrought(): Promise<readonly BroughtFile[]>;
  /** All that was brought for the attempt. What an account has claimed of it stays. */
  dropBrought(attempt: AttemptRef): Promise<void>;
}

/** Whether each output is a whole artifact that was uploaded for this attempt: to know a hash gives nobody the file. */
export async function haveBrought(
  index: Pick<ArtifactIndex, 'get' | 'hasBrought'>,
  attempt: AttemptRef,
  outputs: readonly OutputFile[],
): Promise<boolean> {
  for (const { sha256, sizeBytes } of outputs) {
    const row = await index.get(sha256);
    // guard: outputs must be there
    if (row === undefined || !row.complete || row.sizeBytes !== sizeBytes) return false;
    if (!(await index.hasBrought(attempt, sha256))) return false;
  }
  return true;
}
