import type { JobId } from '@capacloud/protocol/ids';

/** How old private rows may get, in Unix milliseconds: what is older is removed. */
export interface KeptSince {
  /** Specs of jobs that ended before, and what their failed attempts left. */
  readonly jobs: number;
  /** Outputs and inputs of jobs that ended before; undefined where they stay until they are deleted. */
  readonly artifacts: number | undefined;
  readonly receipts: number;
  readonly answers: number;
}

/** Rows that are not in the log, and that do not have to be kept for ever. */
export interface PrivateRows {
  /** Removes the text of the spec of an ended job, and what its failed attempts left; gives how many bytes of text that were. */
  forgetJob(job: JobId): Promise<number>;
  /** Removes a bounded number of rows that are older. True where there may be more of them. */
  removeOlder(since: KeptSince): Promise<boolean>;
}
