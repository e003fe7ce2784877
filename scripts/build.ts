// Compiles every package to its dist folder.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from '@capacloud/rig/programs/command';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interruption.abort());
const result = await runCommand(
  'tsc',
  ['-b', ...process.argv.slice(2)],
  { cwd: root, output: 'inherit' },
  interruption.signal,
);
process.exitCode = result.exitCode;
