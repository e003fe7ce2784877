#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { Interrupted, OutputLost } from './command-error.ts';
import { exitStatus, exitStatusOfError } from './exit-status.ts';
import { buildProgram } from './program.ts';
import { reportError } from './report-error.ts';
import { nonEmpty } from './settings.ts';
import { openTerminal } from './terminal.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};
const outputLoss = new AbortController();
const terminal = openTerminal(process.stdout, process.stderr, process.env, (error) =>
  outputLoss.abort(new OutputLost(error)),
);

const interruption = new AbortController();
function interruptWith(status: number): void {
  // A second time means now.
  if (interruption.signal.aborted) process.exit(status);
  interruption.abort(new Interrupted(status));
}
process.on('SIGINT', () => interruptWith(exitStatus.interrupted));
process.on('SIGTERM', () => interruptWith(exitStatus.terminated));

const program = buildProgram({
  version,
  terminal,
  env: process.env,
  signal: interruption.signal,
  outputLost: outputLoss.signal,
  onStatus: (status) => {
    process.exitCode = status;
  },
});

function fail(error: unknown): void {
  reportError(terminal.err, error, {
    json: program.opts<{ readonly json?: boolean }>().json === true,
    isDebugging: nonEmpty(process.env.CAPACLOUD_DEBUG) !== undefined,
  });
  process.exitCode = exitStatusOfError(error);
}
// Also what escapes every promise is told in a sentence.
process.on('uncaughtException', (error) => {
  fail(error);
  process.exit();
});

try {
  if (process.argv.length <= 2) program.help({ error: true });
  await program.parseAsync();
} catch (error) {
  // Commander has said it already.
  if (error instanceof CommanderError)
    process.exitCode = error.exitCode === 0 ? exitStatus.ok : exitStatus.usage;
  else fail(error);
}
