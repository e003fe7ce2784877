import type { CommandResult } from '@capacloud/rig/programs/command';
import { runStep, type StepName, type StepOptions, stepFor, stepNames } from './check-steps.ts';

type Request =
  | { readonly names: readonly StepName[]; readonly paths: readonly string[] }
  | { readonly problem: string; readonly hint: string };

const isStepName = (text: string): text is StepName => (stepNames as readonly string[]).includes(text);

/** Reads `--only a,b` or `--only=a,b` and paths. Steps run in their own order, whatever order they are named in. */
export function stepsFromArguments(args: readonly string[]): Request {
  const wanted: string[] = [];
  const paths: string[] = [];
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === '--only') wanted.push(...(rest.shift() ?? '').split(','));
    else if (word.startsWith('--only=')) wanted.push(...word.slice('--only='.length).split(','));
    else if (word.startsWith('-')) {
      return {
        problem: `unknown option ${word}`,
        hint: `usage: npm run check -- [--only ${stepNames.join(',')}] [paths…]`,
      };
    } else paths.push(word);
  }
  const unknown = wanted.filter((name) => !isStepName(name));
  if (unknown.length > 0) {
    return { problem: `unknown step "${unknown.join(', ')}"`, hint: `steps are ${stepNames.join(', ')}` };
  }
  return {
    names: wanted.length === 0 ? stepNames : stepNames.filter((name) => wanted.includes(name)),
    paths,
  };
}

interface Surroundings {
  readonly root: string;
  readonly write: (text: string) => void;
  readonly signal: AbortSignal;
}

/** Runs every step, also after a failure, so that one run tells everything. Returns the names that failed. */
export async function runChecks(
  names: readonly StepName[],
  options: StepOptions,
  { root, write, signal }: Surroundings,
): Promise<readonly StepName[]> {
  const failed: StepName[] = [];
  for (const name of names) {
    if (signal.aborted) break;
    const { exitCode } = await runNamedStep(name, options, { root, write, signal });
    if (exitCode !== 0) failed.push(name);
  }
  return failed;
}

/** Runs one step and writes its line, with the whole output when it failed. */
export async function runNamedStep(
  name: StepName,
  options: StepOptions,
  { root, write, signal }: Surroundings,
): Promise<CommandResult> {
  const result = await runStep(stepFor(name, options), root, signal);
  const seconds = (result.durationMs / 1000).toFixed(1).padStart(6);
  write(`${result.exitCode === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(7)}${seconds} s\n`);
  if (result.exitCode !== 0) write(`${result.output.trimEnd()}\n`);
  return result;
}
