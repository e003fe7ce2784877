import type { AuditReport } from './audit.ts';
import type { Workload } from './workload.ts';

/** One line for whoever watches the run. */
export function tell(what: string, workload: Workload, report: AuditReport): void {
  const reasons = [...report.reasons].map(([reason, count]) => `${reason} ${count}`).join(', ');
  process.stdout.write(
    `${what}: ${workload.taskCount} tasks in ${workload.jobs.length} jobs, ${report.events} events; ` +
      `attempts ended: ${reasons}; ${report.findings.length} findings\n`,
  );
}
