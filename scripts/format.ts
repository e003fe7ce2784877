// Formats every file and sorts imports.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand } from './check-command.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interruption.abort());
const paths = process.argv.slice(2);
const result = await runCommand(
  'biome',
  ['check', '--write', ...paths],
  { cwd: root, output: 'inherit' },
  interruption.signal,
);
process.exitCode = result.exitCode;
