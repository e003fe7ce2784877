import type { JobId, TaskId } from '@capacloud/protocol/ids';
import type { Result } from '@capacloud/protocol/result';
import type { LogGap } from '@capacloud/protocol/wire/receipt';

/** Of a task, the logs of so many attempts are kept: those of the newest. */
export const keptLogAttempts = 4;

/** Offsets are those of the output as the container wrote it: what lies in the gap counts, and is not here. */
export interface LogExtent {
  readonly sizeBytes: number;
  /** The agent has said that nothing follows. */
  readonly final: boolean;
  /** Of a long output only the beginning and the end are kept. */
  readonly gap?: LogGap;
}

export interface LogChunk {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly final: boolean;
  /** The chunk is of the end: what lies between this offset and the beginning of the end was not kept. */
  readonly gapFrom?: number;
  /** So many attempts of the task are newer that nothing of this one's log is kept any more. */
  readonly isSuperseded?: boolean;
}

/** What containers wrote, as their agents passed it on. */
export interface TaskLogs {
  /** artifact.offset_mismatch (with the extent as it is), or request.too_large. */
  append(task: TaskId, attempt: number, chunk: LogChunk): Promise<Result<LogExtent>>;
  extent(task: TaskId, attempt: number): Promise<LogExtent>;
  /** At most `limit` bytes from `offset` on, none across the gap; empty in it and past the end. */
  read(task: TaskId, attempt: number, offset: number, limit: number): Promise<Uint8Array>;
  /** Gives how many bytes are free then. */
  removeJob(job: JobId): Promise<number>;
  /** Calls back after each append; returns how to stop it. */
  onAppended(task: TaskId, attempt: number, listener: () => void): () => void;
}
