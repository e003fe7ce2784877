#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { Interrupted } from './command-error.ts';
import { exitStatus, exitStatusOfError } from './exit-status.ts';
import { buildProgram } from './program.ts';
import { reportError } from './report-error.ts';
import { openTerminal } from './terminal.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};
const terminal = openTerminal(process.stdout, process.stderr, process.env);

const interruption = new AbortController();
function interruptWith(status: number): void {
  // A second time means now.
  if (interruption.signal.aborted) process.exit(status);
  interruption.abort(new Interrupted(status));
}
process.on('SIGINT', () => interruptWith(exitStatus.interrupted));
process.on('SIGTERM', () => interruptWith(exitStatus.terminated));

// Whoever reads us (`| head`) has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitStatus.ok);
  throw error;
});

const program = buildProgram({
  version,
  terminal,
  env: process.env,
  signal: interruption.signal,
  onStatus: (status) => {
    process.exitCode = status;
  },
});

try {
  if (process.argv.length <= 2) program.help({ error: true });
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has said it already.
    process.exitCode = error.exitCode === 0 ? exitStatus.ok : exitStatus.usage;
  } else {
    reportError(terminal.err, error, program.opts<{ readonly json?: boolean }>().json === true);
    process.exitCode = exitStatusOfError(error);
  }
}
