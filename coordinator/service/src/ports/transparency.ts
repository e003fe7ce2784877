import type { Result } from '@capacloud/protocol/result';

/** Hashes are lower-case hex. */
export interface InclusionProof {
  readonly index: number;
  readonly size: number;
  readonly leaf: string;
  /** Siblings from the leaf up. */
  readonly path: readonly string[];
  readonly root: string;
}
export interface ConsistencyProof {
  readonly from: number;
  readonly to: number;
  readonly path: readonly string[];
}

/** The log as the public sees it: durable entries only. */
export interface Transparency {
  /** Verifier key of the log (C2SP signed-note vkey). */
  readonly vkey: string;
  /** Signed note over the current durable size. */
  checkpoint(): Promise<string>;
  /** Notes beside the database how long the log is by now, so that a shorter one is noticed at the next start. */
  raiseHighWater(): Promise<void>;
  /** request.invalid when the index or the size is not in the log. */
  inclusion(index: number, size: number): Promise<Result<InclusionProof>>;
  consistency(from: number, to: number): Promise<Result<ConsistencyProof>>;
  /**
   * Canonical JSON of each event from `from` on, as it was hashed: at most `limit`, and no more once `maxBytes` are reached;
   * `size` is that of the log.
   */
  entries(
    from: number,
    limit: number,
    maxBytes?: number,
  ): Promise<{ readonly entries: readonly string[]; readonly size: number }>;
}
