/** A receipt as it came in. */
export interface HeardReceipt {
  /** Of the session. */
  readonly node: string;
  /** Whose receipt it says that it is. */
  readonly saysNode: string;
  readonly nonce: string;
  readonly reason: string;
  readonly exitCode: number | undefined;
  readonly oomKilled: boolean;
  readonly claimedMs: number;
  readonly outputs: readonly { readonly path: string; readonly sha256: string; readonly sizeBytes: number }[];
}

/** An output that an assignment asks for. */
export interface AskedOutput {
  readonly path: string;
  readonly maxBytes: number;
  readonly optional?: boolean;
}
