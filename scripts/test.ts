// What `npm test` runs: the checks, a Docker engine where none is running, and the tests on real parts.
//
//   npm test -- [--all] [filters and options for vitest…]
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { summaryOf } from './test-report.ts';
import { runAllTests } from './test-run.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interruption.abort());
const write = (text: string): void => void process.stdout.write(text);

try {
  const totals = await runAllTests({
    root,
    filters: process.argv.slice(2).filter((argument) => argument !== '--all'),
    withPackaging: process.argv.includes('--all'),
    strict: process.env.CI === 'true',
    write,
    signal: interruption.signal,
  });
  write(`${summaryOf(totals)}\n`);
  process.exitCode = interruption.signal.aborted ? 130 : totals.failed > 0 ? 1 : 0;
} catch (error) {
  if (!interruption.signal.aborted) throw error;
  write('interrupted\n');
  process.exitCode = 130;
}
