#!/usr/bin/env node
import { createCommandLine } from './cli/command-line.ts';
import { tellFailure } from './cli/failure.ts';
import { toleratePipesThatClose } from './cli/standard-streams.ts';

toleratePipesThatClose();
try {
  await createCommandLine().parseAsync(process.argv);
} catch (error) {
  process.exitCode = tellFailure(error, process.stderr);
}
