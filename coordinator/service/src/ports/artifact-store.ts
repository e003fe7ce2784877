import type { Readable } from 'node:stream';
import type { AccountId, NodeId, Sha256Hex } from '@capacloud/protocol/ids';
import type { Result } from '@capacloud/protocol/result';
import type { AttemptRef } from '@capacloud/protocol/wire/frames';

/** Who uploads or reads: an account, or a node on behalf of its attempts. Its provider's account gives a node no rights. */
export type ArtifactParty =
  | { readonly kind: 'account'; readonly account: AccountId; readonly operator: boolean }
  | {
      readonly kind: 'node';
      readonly node: NodeId;
      /** Whose outputs it brings, where it says so. */
      readonly attempt?: AttemptRef;
    };

export interface ArtifactProgress {
  readonly sha256: Sha256Hex;
  readonly sizeBytes: number;
  /** Bytes that are here; equal to the size once complete. */
  readonly offset: number;
  readonly complete: boolean;
}

export interface ArtifactContent {
  readonly sizeBytes: number;
  /** Bytes `start` to `end`, both included. Destroy the stream when it is not read to its end. */
  read(start: number, end: number): Readable;
}

/** Content-addressed files. Whoever has not sent all the bytes is never told that they are here. */
export interface ArtifactStore {
  announce(by: ArtifactParty, sha256: Sha256Hex, sizeBytes: number): Promise<Result<ArtifactProgress>>;
  /**
   * Appends what `body` brings at `offset` and keeps what has come when it breaks off. On
   * artifact.offset_mismatch `status` tells where to go on.
   */
  append(
    by: ArtifactParty,
    sha256: Sha256Hex,
    offset: number,
    body: Readable,
  ): Promise<Result<ArtifactProgress>>;
  status(by: ArtifactParty, sha256: Sha256Hex): Promise<ArtifactProgress | undefined>;
  /** Undefined when it is not here or not theirs. Gives artifact.incomplete while they upload it. */
  open(by: ArtifactParty, sha256: Sha256Hex): Promise<Result<ArtifactContent>>;
  /** Resolves when the outputs of all tasks that have ended are their consumers'. */
  claimed(): Promise<void>;
  /** Drops the account's claim to it; request.conflict while a live job uses it. */
  release(by: ArtifactParty, sha256: Sha256Hex): Promise<Result<undefined>>;
}
