// What continuous integration runs: the demo, the tests and the long tests, also after a failure, and one line at the
// end that counts what both test runs counted. A demo or a run that fails without a failed test counts as one failure.

import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { watchInterruption } from '@capacloud/rig/leftovers/interruption';
import { runCommand } from '@capacloud/rig/programs/command';
import { addTotals, failedCommand, noTests, readTotalsFile, summaryOf, totalsFile } from './test-report.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const interruption = watchInterruption();
const env = { ...process.env, CI: 'true' };
const stages = [
  { script: 'demo' },
  { script: 'test', reports: 'reports' },
  { script: 'test:long', reports: 'reports-long' },
] as const;

let totals = noTests;
for (const stage of stages) {
  if (interruption.signal.aborted) break;
  const file = 'reports' in stage ? join(root, '.cache', stage.reports, totalsFile) : undefined;
  if (file !== undefined) rmSync(file, { force: true });
  const options = { cwd: root, env, output: 'inherit' } as const;
  const { exitCode, durationMs } = await runCommand(
    'npm',
    ['run', stage.script],
    options,
    interruption.signal,
  );
  process.stdout.write(
    `npm run ${stage.script}: exit code ${exitCode} after ${Math.round(durationMs / 1000)} s\n`,
  );
  const counted = file === undefined ? noTests : readTotalsFile(file);
  const isUntold = exitCode !== 0 && (counted?.failed ?? 0) === 0;
  totals = addTotals(totals, counted ?? noTests);
  if (isUntold) totals = addTotals(totals, failedCommand(`npm run ${stage.script}`, exitCode));
}
process.stdout.write(`${summaryOf(totals)}\n`);
process.exitCode = interruption.signal.aborted ? 130 : totals.failed > 0 ? 1 : 0;
