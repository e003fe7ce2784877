import type { ErrorCode } from '@capacloud/protocol/errors';
import type { AttemptRef } from '@capacloud/protocol/frames';
import type { AccountId, Sha256Hex, TaskId } from '@capacloud/protocol/ids';
import type { ArtifactRef, BroughtFile, LeftOutputs, TaskCheckpoint } from '../ports/artifact-index.ts';
import type { LogGroup } from '../ports/log.ts';

/** What the writer thread is asked to make durable. Each is one transaction, taken in order. */
export type Write =
  | { readonly kind: 'group'; readonly group: LogGroup }
  | { readonly kind: 'checkpoint'; readonly size: number; readonly note: string; readonly at: number }
  | { readonly kind: 'prune'; readonly idempotencyBefore: number; readonly checkpointsBefore: number }
  | ArtifactWrite;
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
