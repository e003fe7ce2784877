import { schemaProblems } from '@capacloud/protocol/input/schema';
import type { Problem, Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import { maxNano, parseDecimalNano } from '@capacloud/protocol/units';
import { Compile } from 'typebox/compile';
import { parse as parseYaml } from 'yaml';
import { rulesetOf } from '../../config/config-file.ts';
import { findImpossible } from './impossible.ts';
import { readJobClass } from './job-classes.ts';
import { readNodeGroup } from './node-groups.ts';
import type { ReadText } from './read-text.ts';
import { Reading } from './reading.ts';
import type { Scenario, Variant } from './scenario.ts';
import { type ScenarioFile, ScenarioSchema, type VariantFile } from './scenario-file.ts';
import { TraceReader } from './trace-reader.ts';
import { mergeVariant, pointerInVariant } from './variants.ts';

const checkFile = Compile(ScenarioSchema);
const hourMs = 3_600_000;
/** As much as one grant may be. */
const maxGrantNano = 10n ** 18n;
const maxPoints = 10_000;
const example =
  'The README of the coordinator explains the file; examples/simulate holds some to start from.';

/** The text of a scenario file → what to simulate. Refuses with every problem that it finds. */
export function readScenario(text: string, readText: ReadText): Result<Scenario> {
  let input: unknown;
  try {
    input = parseYaml(text, { maxAliasCount: 100, logLevel: 'error' });
  } catch (error) {
    return invalid([{ pointer: '', message: `is not YAML: ${(error as Error).message}` }]);
  }
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    return invalid([{ pointer: '', message: 'must hold fields, such as duration, nodes and jobs' }]);
  const found = schemaProblems(checkFile, input);
  if (found.length > 0) return invalid(found);
  const file = input as ScenarioFile;
  const traces = new TraceReader(readText);
  const notes = new Set<string>();
  const base = readVariant('as given', file, traces, notes);
  if (!base.ok) return invalid(base.refusal);
  const variants = [base.value];
  const problems: Problem[] = [...sharedNames('/compare', file.compare ?? [])];
  for (const [index, change] of (file.compare ?? []).entries()) {
    const merged = mergeVariant(file, change);
    const faults = schemaProblems(checkFile, merged);
    const read =
      faults.length > 0
        ? refused(faults)
        : readVariant(change.name, merged as unknown as ScenarioFile, traces, notes);
    if (read.ok) variants.push(read.value);
    else problems.push(...read.refusal.map((problem) => inVariant(problem, index, merged, change)));
  }
  if (problems.length > 0) return invalid(problems);
  return readFrame(file, variants, [...notes]);
}

function refused(problems: readonly Problem[]): Result<never, readonly Problem[]> {
  return { ok: false, refusal: problems };
}

function inVariant(
  { message, pointer }: Problem,
  index: number,
  merged: Readonly<Record<string, unknown>>,
  change: VariantFile,
): Problem {
  return { pointer: pointerInVariant(pointer, index, merged, change), message };
}

function readFrame(
  file: ScenarioFile,
  variants: readonly Variant[],
  notes: readonly string[],
): Result<Scenario> {
  const read = new Reading();
  const durationMs = read.span('/duration', file.duration, 1000);
  const warmUpMs = file.warm_up === undefined ? 0 : read.span('/warm_up', file.warm_up, 0);
  const intervalMs =
    file.interval === undefined ? usualInterval(durationMs) : read.span('/interval', file.interval);
  if (durationMs / intervalMs > maxPoints)
    read.problem('/interval', `makes more than ${maxPoints} points of the duration; take a longer one`);
  if (read.problems.length > 0) return invalid(read.problems);
  return accept({
    name: file.name ?? 'A scenario',
    seed: file.seed ?? 1,
    durationMs,
    warmUpMs,
    intervalMs,
    variants,
    notes,
  });
}

/** An hour, or what gives a short scenario some points as well. */
function usualInterval(durationMs: number): number {
  return durationMs >= 12 * hourMs ? hourMs : Math.max(1000, Math.ceil(durationMs / 24 / 1000) * 1000);
}

function readVariant(
  name: string,
  file: ScenarioFile,
  traces: TraceReader,
  notes: Set<string>,
): Result<Variant, readonly Problem[]> {
  const read = new Reading();
  const usdPerCapa = file.usd_per_capa ?? '0.10';
  if ((parseDecimalNano(usdPerCapa) ?? 0n) < 1n) read.problem('/usd_per_capa', 'must be an amount above 0');
  const prices = {
    usdPerCapa,
    defaultMaxRateNano: read.money('/default_max_rate', file.default_max_rate ?? '10'),
  };
  read.problems.push(...sharedNames('/nodes', file.nodes), ...sharedNames('/jobs', file.jobs));
  const note = (sentence: string): void => void notes.add(sentence);
  if (read.problems.length > 0) return refused(read.problems);
  const usualBudgetNano = usualBudget(file.jobs);
  const nodes = file.nodes.map((group, index) =>
    readNodeGroup(group, `/nodes/${index}`, read, (path, pointer) => traces.nodes(path, pointer, read)),
  );
  const jobs = file.jobs.map((each, index) =>
    readJobClass(
      { file: each, pointer: `/jobs/${index}`, read, prices, usualBudgetNano, note },
      (path, pointer) => traces.tasks(path, pointer, read),
    ),
  );
  if (read.problems.length > 0) return refused(read.problems);
  const variant: Variant = { name, ruleset: rulesetOf(file.rules), nodes, jobs };
  const totalMs = read.span('/warm_up', file.warm_up ?? '0s', 0) + read.span('/duration', file.duration, 0);
  const impossible = findImpossible(variant, totalMs, note);
  return impossible.length > 0 ? refused(impossible) : accept(variant);
}

/** As much as there can be for each, so that money is no limit where nobody sets one. */
function usualBudget(jobs: ScenarioFile['jobs']): bigint {
  const given = jobs.reduce((sum, { budget, consumers = 1 }) => {
    const eachNano = budget === undefined ? 0n : (parseDecimalNano(budget) ?? 0n);
    return sum + eachNano * BigInt(consumers);
  }, 0n);
  const others = jobs.reduce(
    (sum, { budget, consumers = 1 }) => sum + (budget === undefined ? consumers : 0),
    0,
  );
  if (others === 0 || given >= maxNano) return 1n;
  const shareNano = (maxNano - given) / BigInt(others);
  return shareNano < maxGrantNano ? shareNano : maxGrantNano;
}

function sharedNames(pointer: string, items: readonly { readonly name: string }[]): readonly Problem[] {
  const seen = new Set<string>();
  return items.flatMap(({ name }, index) => {
    const isTaken = seen.has(name);
    seen.add(name);
    return isTaken ? [{ pointer: `${pointer}/${index}/name`, message: `is the second ${name}` }] : [];
  });
}

function invalid(problems: readonly Problem[]): Result<never> {
  const lines = problems.map(
    ({ pointer, message }) => `${pointer === '' ? 'the scenario' : pointer} ${message}`,
  );
  return refuse('config.invalid', lines.join('\n'), { problems, hint: example });
}
