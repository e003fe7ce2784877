import type { TaskId } from '@capacloud/protocol/ids';

export interface PullProgress {
  readonly attempt: number;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** What heartbeats said last; volatile, bounded, gone after a restart. */
export interface LiveActivity {
  get(task: TaskId): PullProgress | undefined;
}
