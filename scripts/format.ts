// Writes .oxlintrc.json anew from the table of arrows, formats every file and sorts imports.
//
//   npm run format -- [paths…]

import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lintConfig } from './check-lint-config.ts';
import { runCommand } from './command.ts';
import { watchInterruption } from './leftovers/interruption.ts';

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
