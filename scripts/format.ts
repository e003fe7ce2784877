// Writes .oxlintrc.json anew from the table of arrows, formats every file and sorts imports.
//
//   npm run format -- [paths…]

import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { watchInterruption } from '@capacloud/rig/leftovers/interruption';
import { runCommand } from '@capacloud/rig/programs/command';
import { lintConfig } from './check-lint-config.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const interruption = watchInterruption();
const lintConfigFile = '.oxlintrc.json';
writeFileSync(join(root, lintConfigFile), JSON.stringify(lintConfig()));
const paths = process.argv.slice(2);
const result = await runCommand(
  'biome',
  ['check', '--write', ...(paths.length === 0 ? [] : [...paths, lintConfigFile])],
  { cwd: root, output: 'inherit' },
  interruption.signal,
);
process.exitCode = result.exitCode;
