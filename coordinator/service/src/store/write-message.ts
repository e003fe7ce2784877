import type { ErrorCode } from '@capacloud/protocol/catalogue/errors';
import type { AccountId, JobId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import type { AttemptRef } from '@capacloud/protocol/wire/frames';
import type { ArtifactRef, BroughtFile, LeftOutputs, TaskCheckpoint } from '../ports/artifact-index.ts';
import type { LogGroup } from '../ports/log.ts';

/** What the writer thread is asked to make durable. Each is one transaction, taken in order. */
export type Write =
  | { readonly kind: 'group'; readonly group: LogGroup }
  | { readonly kind: 'checkpoint'; readonly size: number; readonly note: string; readonly at: number }
  | { readonly kind: 'prune'; readonly checkpointsBefore: number }
  /** Moves the write-ahead log into the file and gives its room back. */
  | { readonly kind: 'shrink' }
  | RowRemoval
  | ArtifactWrite;
/** Of private rows, at most `limit` of them where their number is open. */
export type RowRemoval =
  | { readonly kind: 'forget.job'; readonly job: JobId }
  | {
      readonly kind: 'remove.jobs' | 'remove.job_artifacts';
      readonly jobs: readonly { readonly num: number; readonly id: JobId }[];
    }
  | { readonly kind: 'remove.receipts'; readonly upTo: number; readonly limit: number }
  | { readonly kind: 'remove.answers'; readonly before: number; readonly limit: number };
export type ArtifactWrite =
  | {
      readonly kind: 'artifact.put';
      readonly ref: ArtifactRef;
      readonly sizeBytes: number;
      readonly at: number;
    }
  | { readonly kind: 'artifact.complete'; readonly sha256: Sha256Hex }
  | { readonly kind: 'artifact.add_ref' | 'artifact.remove_ref'; readonly ref: ArtifactRef }
  | { readonly kind: 'artifact.remove_useless'; readonly sha256: Sha256Hex; readonly before: number }
  | {
      readonly kind: 'artifact.keep_checkpoint';
      readonly checkpoint: TaskCheckpoint;
      readonly account: AccountId;
    }
  | { readonly kind: 'artifact.drop_checkpoint' | 'artifact.drop_left'; readonly task: TaskId }
  | { readonly kind: 'artifact.keep_left'; readonly left: LeftOutputs; readonly account: AccountId }
  | { readonly kind: 'artifact.bring'; readonly files: readonly BroughtFile[] }
  | { readonly kind: 'artifact.drop_brought'; readonly attempt: AttemptRef };

/** What is written beside the log, in a transaction of its own. */
export type SideWrite = Exclude<Write, { readonly kind: 'group' | 'shrink' }>;

export interface WriteRequest {
  readonly id: number;
  readonly fencingEpoch: number;
  readonly write: Write;
}
/** A DataError on its way between threads. */
export interface WriterFault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly isFull: boolean;
}
export type WriterReply =
  | { readonly kind: 'ready'; readonly epoch: number; readonly size: number }
  | ({ readonly kind: 'refused' } & WriterFault)
  | { readonly kind: 'done'; readonly id: number }
  | {
      readonly kind: 'failed';
      readonly id: number;
      readonly message: string;
      /** Where it is the disk or the file that did not allow it. */
      readonly fault?: WriterFault;
    };
