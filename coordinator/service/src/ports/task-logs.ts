import type { TaskId } from '@capacloud/protocol/ids';
import type { Result } from '@capacloud/protocol/result';

export interface LogExtent {
  readonly sizeBytes: number;
  /** The agent has said that nothing follows. */
  readonly final: boolean;
}

/** What containers wrote, as their agents passed it on: one append-only file an attempt. */
export interface TaskLogs {
  /** artifact.offset_mismatch (with the extent as it is) or request.too_large. */
  append(
    task: TaskId,
    attempt: number,
    offset: number,
    bytes: Uint8Array,
    final: boolean,
  ): Promise<Result<LogExtent>>;
  extent(task: TaskId, attempt: number): Promise<LogExtent>;
  /** At most `limit` bytes from `offset` on; empty past the end. */
  read(task: TaskId, attempt: number, offset: number, limit: number): Promise<Uint8Array>;
  /** Calls back after each append; returns how to stop it. */
  onAppended(task: TaskId, attempt: number, listener: () => void): () => void;
}
