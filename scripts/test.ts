// What `npm test` runs: the checks, a Docker engine where none is running, and the tests on real parts.
//
//   npm test -- [filters and options for vitest…]
import { runTestCommand } from './test-command.ts';
import { runShortTests } from './test-run.ts';

await runTestCommand('reports', runShortTests);
