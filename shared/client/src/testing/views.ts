import type { JobId, NodeId, TaskId } from '@capacloud/protocol/ids';
import type { JobView, TaskView } from '@capacloud/protocol/routes/views';

export const jobId = 'job_abcdefghijklmnopqrst' as JobId;
export const nodeId = `node_${'ab'.repeat(20)}` as NodeId;

export function taskIdAt(index: number): TaskId {
  return `${jobId}.${index}` as TaskId;
}

export function jobView(change: Partial<JobView> = {}): JobView {
  return {
    id: jobId,
    name: 'render',
    account: 'acc_ada',
    state: 'queued',
    image: 'capacloud/render:1',
    resources: { cpuMilli: 1000, memoryBytes: 2 ** 29, diskBytes: 2 ** 26, shmBytes: 2 ** 26 },
    tasks: { total: 2, queued: 2, active: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0 },
    submitted_at: '2026-01-01T00:00:00.000Z',
    held_nano: '1000000000',
    charged_nano: '0',
    max_rate_nano: '500000000',
    spec_hash: 'ab'.repeat(32),
    ...change,
  } as JobView;
}

/** A job of two tasks that has ended. */
export function endedJob(state: 'succeeded' | 'failed' | 'cancelled' | 'expired'): JobView {
  const tasks = { total: 2, queued: 0, active: 0, succeeded: 1, failed: 0, cancelled: 0, expired: 0 };
  tasks[state] += 1;
  return jobView({ state, tasks, ended_at: '2026-01-01T00:01:12.000Z', charged_nano: '12300000' });
}

export function taskView(index: number, change: Partial<TaskView> = {}): TaskView {
  return {
    id: taskIdAt(index),
    job: jobId,
    index,
    state: 'queued',
    reason: 'submitted',
    message: 'The task waits for its first placement.',
    hint: '',
    will_retry: false,
    attempts: 0,
    charged_nano: '0',
    outputs: [],
    updated_at: '2026-01-01T00:00:00.000Z',
    ...change,
  } as TaskView;
}

export function failedTask(index: number, exitCode?: number): TaskView {
  return taskView(index, {
    state: 'failed',
    reason: 'exit_nonzero',
    message: 'The container exited with a code other than 0.',
    hint: 'Read the log: capacloud logs TASK.',
    attempts: 1,
    ...(exitCode === undefined ? {} : { exit_code: exitCode }),
  });
}
