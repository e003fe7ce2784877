// Format, lint, types, unused code, unit and architecture tests, in this order.
//
//   npm run check -- [--only format,lint,types,unused,unit,arch] [paths…]

import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { watchInterruption } from '@capacloud/rig/leftovers/interruption';
import { runChecks, stepsFromArguments } from './check-run.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const reportDir = join(root, '.cache', 'reports');
const request = stepsFromArguments(process.argv.slice(2));

if ('problem' in request) {
  process.stderr.write(`check: ${request.problem}\n  hint: ${request.hint}\n`);
  process.exitCode = 2;
} else {
  const interruption = watchInterruption();
  mkdirSync(reportDir, { recursive: true });
  const failed = await runChecks(
    request.names,
    { paths: request.paths, filters: request.paths, reportDir },
    { root, write: (text) => process.stdout.write(text), signal: interruption.signal },
  );
  process.exitCode = interruption.signal.aborted ? 130 : failed.length === 0 ? 0 : 1;
}
