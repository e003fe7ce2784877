import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { guardRun } from '@capacloud/rig/leftovers/guarded-run';
import { watchInterruption } from '@capacloud/rig/leftovers/interruption';
import { summaryOf, type Totals, totalsFile } from './test-report.ts';
import type { TestRun } from './test-run.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * What `npm test` and `npm run test:long` have in common: arguments, interruption, the closing line, the exit code, and
 * the totals in a file below `.cache`, for the command that runs both.
 */
export async function runTestCommand(
  reports: string,
  runTests: (run: TestRun) => Promise<Totals>,
): Promise<void> {
  const interruption = watchInterruption();
  const write = (text: string): void => void process.stdout.write(text);
  const reportDir = join(root, '.cache', reports);
  try {
    const options = { root, reportDir, filters: process.argv.slice(2), strict: process.env.CI === 'true' };
    const { signal } = interruption;
    const totals = await guardRun({}, (guard) => runTests({ ...options, write, signal, guard }));
    writeFileSync(join(reportDir, totalsFile), `${JSON.stringify(totals)}\n`);
    write(`${summaryOf(totals)}\n`);
    process.exitCode = interruption.signal.aborted ? 130 : totals.failed > 0 ? 1 : 0;
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    write('interrupted\n');
    process.exitCode = 130;
  }
}
