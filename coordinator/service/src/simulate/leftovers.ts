import { waitingReason } from '@capacloud/core/explain/waiting-reason';
import { isActive } from '@capacloud/core/slices/attempt/task-states';
import type { Job } from '@capacloud/core/slices/job/record';
import type { JobId } from '@capacloud/protocol/ids';
import type { CoreDriver } from './core-driver.ts';
import type { Leftovers } from './results.ts';

/** Tasks of each class that have not ended, and why the one waits that has waited longest. */
export function leftoversOf(
  { notes, state }: Pick<CoreDriver, 'notes' | 'state'>,
  at: number,
  classes: number,
  classOf: (job: JobId) => number | undefined,
): readonly Leftovers[] {
  const counts = Array.from({ length: classes }, () => ({ waiting: 0, running: 0 }));
  const oldest: Job[] = [];
  // Jobs stand in the order of their submission.
  for (const job of state.jobs.values()) {
    const index = classOf(job.id) ?? -1;
    const count = counts[index];
    if (count === undefined) continue;
    for (const task of job.tasks) {
      if (isActive(task.state)) count.running += 1;
      if (task.state !== 'queued') continue;
      count.waiting += 1;
      oldest[index] ??= job;
    }
  }
  return counts.map((count, index) => {
    const job = oldest[index];
    if (job === undefined) return { ...count, longestWaiting: null };
    const { message = '' } = waitingReason(state, notes, job.id) ?? {};
    return { ...count, longestWaiting: { ms: at - job.submittedAt, message } };
  });
}
