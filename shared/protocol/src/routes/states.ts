export const taskStates = [
  'queued',
  'assigned',
  'pulling',
  'starting',
  'running',
  'uploading',
  'verifying',
  'succeeded',
  'failed',
  'cancelled',
  'expired',
] as const;
export type TaskStateName = (typeof taskStates)[number];
export const endedTaskStates: readonly TaskStateName[] = ['succeeded', 'failed', 'cancelled', 'expired'];

/**
 * queued: no task has been assigned yet. running: some task is live. Ended jobs: succeeded when every task
 * did, else failed if any failed, else expired if any expired, else cancelled.
 */
export const jobStates = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired'] as const;
export type JobStateName = (typeof jobStates)[number];
export const endedJobStates: readonly JobStateName[] = ['succeeded', 'failed', 'cancelled', 'expired'];
