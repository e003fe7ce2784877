// The tests named `*.long.test.ts`: what takes minutes and rarely fails, and the container images.
//
//   npm run test:long -- [filters and options for vitest…]
import { runTestCommand } from './test-command.ts';
import { runLongTests } from './test-run.ts';

await runTestCommand('reports-long', runLongTests);
