// Formats every file and sorts imports.
//
//   npm run format -- [paths…]

import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { watchInterruption } from '@capacloud/rig/leftovers/interruption';
import { runCommand } from '@capacloud/rig/programs/command';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const interruption = watchInterruption();
const result = await runCommand(
  'biome',
  ['check', '--write', ...process.argv.slice(2)],
  { cwd: root, output: 'inherit' },
  interruption.signal,
);
process.exitCode = result.exitCode;
