export interface LogEntry {
  /** Counted from 0. */
  readonly index: number;
  /** Canonical JSON of the event: these bytes are the Merkle leaf. */
  readonly entry: string;
}

/** Bounds that the log enforces. An entry's bound is that of C2SP tlog-tiles. */
export const logLimits = {
  entryBytes: 65_535,
  groupEvents: 8192,
  groupBytes: 8 * 1024 * 1024,
} as const;

/**
 * What a group changes in the tables that are read. Columns of one statement stand row after row: numbers in
 * `numbers` (NaN is null), 64-bit amounts in `amounts`, text in `texts`. The store knows the statements.
 */
export interface RowBatch {
  readonly statement: string;
  readonly rows: number;
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly amounts: BigInt64Array<ArrayBuffer>;
  readonly texts: readonly (string | null)[];
}

export interface LogGroup {
  /** Index of the first entry; the log refuses a gap. */
  readonly first: number;
  /** Canonical JSON texts, a line each: JSON has no raw newline. */
  readonly lines: string;
  /** May be 0: then the group only has rows. */
  readonly count: number;
  readonly rows: readonly RowBatch[];
}

/** The durable log. One writer at a time: it holds the lease whose epoch each write checks. */
export interface LogPort {
  /** Resolves once the group is on stable storage. Rejects, and writes nothing, when the epoch is not the lease's. */
  append(group: LogGroup, fencingEpoch: number): Promise<void>;
  /** Durable entries from `from` on, at most `limit`, and no more once they hold `maxBytes`. */
  read(from: number, limit: number, maxBytes?: number): Promise<readonly LogEntry[]>;
  /** Durable entries from `from` on, for ever, in batches; ends when the signal aborts. */
  follow(from: number, signal: AbortSignal): AsyncIterable<readonly LogEntry[]>;
  /** Durable entries. */
  size(): number;
}
