import { join } from 'node:path';
import { type CommandResult, runCommand } from '@capacloud/rig/programs/command';
import type { ToolchainProgram } from '@capacloud/rig/programs/programs';

export const stepNames = ['format', 'lint', 'types', 'unused', 'unit', 'arch'] as const;
export type StepName = (typeof stepNames)[number];

/** One line of `npm run check`: commands that run in order until one fails. */
export interface Step {
  readonly name: StepName;
  readonly commands: readonly (readonly [ToolchainProgram, ...string[]])[];
}

export interface StepOptions {
  /** Files or folders to narrow format and lint to; empty means everything. */
  readonly paths: readonly string[];
  /** Arguments for vitest: parts of file names, or options. */
  readonly filters: readonly string[];
  /** Where vitest writes its machine-readable results, one file a project. */
  readonly reportDir: string;
}

/** What a step runs. Types and unused always see everything. */
export function stepFor(name: StepName, { paths, filters, reportDir }: StepOptions): Step {
  switch (name) {
    case 'format':
      return {
        name,
        commands: [['biome', 'check', '--error-on-warnings', '--no-errors-on-unmatched', ...paths]],
      };
    case 'lint':
      return { name, commands: [['oxlint', '--type-aware', '--deny-warnings', ...paths]] };
    case 'types':
      return { name, commands: [['tsc', '-b']] };
    case 'unused':
      // Twice: everything once, and once more as if no test existed, so that a test alone keeps nothing alive. The rig is for tests.
      return {
        name,
        commands: [
          ['knip', '--no-progress'],
          [
            'knip',
            '--no-progress',
            '--production',
            '--include',
            'files,exports,types,dependencies,unlisted',
            '--workspace',
            '!@capacloud/rig',
          ],
        ],
      };
    case 'unit':
    case 'arch':
      return { name, commands: [vitestCommand(name, { reportDir, filters, reporter: 'minimal' })] };
  }
}

interface VitestOptions extends Pick<StepOptions, 'filters' | 'reportDir'> {
  /** `minimal` tells failures alone, for an output that is read afterwards; `default` is for eyes that follow. */
  readonly reporter: 'default' | 'minimal';
}

/** Two reporters: one for people, and the JSON one for the totals. */
export function vitestCommand(
  project: string,
  { reportDir, filters, reporter }: VitestOptions,
): readonly [ToolchainProgram, ...string[]] {
  return [
    'vitest',
    'run',
    '--project',
    project,
    '--passWithNoTests',
    `--reporter=${reporter}`,
    '--reporter=json',
    `--outputFile.json=${join(reportDir, `${project}.json`)}`,
    ...filters,
  ];
}

/** Runs a step's commands in order; the first failure ends it. */
export async function runStep(step: Step, root: string, signal: AbortSignal): Promise<CommandResult> {
  let durationMs = 0;
  let output = '';
  for (const [command, ...args] of step.commands) {
    const result = await runCommand(command, args, { cwd: root, output: 'capture' }, signal);
    durationMs += result.durationMs;
    output += result.output;
    if (result.exitCode !== 0) return { exitCode: result.exitCode, output, durationMs };
  }
  return { exitCode: 0, output, durationMs };
}
