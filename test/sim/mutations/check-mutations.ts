import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Guard } from './guard.ts';
import { guards } from './guards.ts';
import { type MutantRun, runSeeds } from './mutant-run.ts';
import { seedsFor } from './seed-choice.ts';

export interface MutationOptions {
  /** Processes at once. */
  readonly jobs: number;
  /** Seeds that each guard gets at most, from `firstSeed` on, after the one that caught it before. */
  readonly seeds: number;
  readonly firstSeed: number;
  /** Part of a guard's name; all when it is empty. */
  readonly only: string;
  readonly write: (text: string) => void;
  readonly signal: AbortSignal;
}

/** How a guard was missed: at which seed, and by which rule. */
interface Catch {
  readonly seed: number;
  readonly rule: string;
}
type Verdict =
  | ({ readonly kind: 'caught' } & Catch)
  | { readonly kind: 'survived' | 'broken'; readonly why: string };

/** Which seed caught each guard, so that it is tried first: the check is quick while nothing changes. */
const catchesFile = join(import.meta.dirname, 'catches.json');
/** A seed takes about a second; a guard without which it never ends is missed, too. */
const seedMs = 120_000;
const batch = 6;

/** A guard that has not been missed yet. */
interface Case {
  readonly guard: Guard;
  readonly seeds: readonly number[];
  tried: number;
}

/**
 * Takes each guard away in turn and sees whether simulated runs miss it. A seed counts only when the whole product passes
 * it. All guards get some seeds before any gets more. True when all are caught.
 */
export async function checkMutations(options: MutationOptions): Promise<boolean> {
  const { write, jobs, only, signal } = options;
  const known = await readCatches();
  const passes = rememberedPasses(signal);
  const pending = guards
    .filter(({ name }) => name.includes(only))
    .map((guard) => ({ guard, seeds: seedsOf(guard, known.get(guard.name), options), tried: 0 }));
  const count = pending.length;
  let caught = 0;
  const work = async (): Promise<void> => {
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      signal.throwIfAborted();
      const verdict = await tryBatch(next, passes, signal);
      if (verdict === undefined) {
        pending.push(next);
        continue;
      }
      write(`${lineOf(next.guard, verdict)}\n`);
      if (verdict.kind !== 'caught') continue;
      caught += 1;
      known.set(next.guard.name, { seed: verdict.seed, rule: verdict.rule });
      await writeCatches(known);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  const share = ((100 * caught) / Math.max(1, count)).toFixed(1);
  write(`\n${caught} of ${count} guards are missed when they are gone: ${share} %\n`);
  return caught === count;
}

function seedsOf(
  guard: Guard,
  before: Catch | undefined,
  { firstSeed, seeds }: MutationOptions,
): readonly number[] {
  const chosen = seedsFor(guard, firstSeed, seeds);
  return before === undefined ? chosen : [before.seed, ...chosen.filter((seed) => seed !== before.seed)];
}

function lineOf({ name }: Guard, verdict: Verdict): string {
  const what = name.padEnd(56);
  if (verdict.kind === 'caught')
    return `  caught    ${what} seed ${String(verdict.seed).padEnd(6)} ${verdict.rule}`;
  return `  ${verdict.kind.toUpperCase().padEnd(9)} ${what} ${verdict.why}`;
}

/** Undefined when nothing was found and seeds are left. */
async function tryBatch(
  next: Case,
  passes: (seed: number) => Promise<boolean>,
  signal: AbortSignal,
): Promise<Verdict | undefined> {
  const { guard, seeds, tried } = next;
  const some = seeds.slice(tried, tried + batch);
  const run = await runSeeds(some, guard.name, { seedMs, signal });
  if (run.broken !== undefined) return { kind: 'broken', why: run.broken };
  const found = catchOf(run);
  // Where the whole product fails as well, the seed says nothing of the guard.
  if (found !== undefined && (await passes(found.seed))) return { kind: 'caught', ...found };
  next.tried = found === undefined ? tried + some.length : seeds.indexOf(found.seed) + 1;
  return next.tried >= seeds.length ? { kind: 'survived', why: `${next.tried} seeds` } : undefined;
}

function rememberedPasses(signal: AbortSignal): (seed: number) => Promise<boolean> {
  const asked = new Map<number, Promise<boolean>>();
  return (seed) => {
    const answer = asked.get(seed) ?? passesWhole(seed, signal);
    asked.set(seed, answer);
    return answer;
  };
}

async function passesWhole(seed: number, signal: AbortSignal): Promise<boolean> {
  const run = await runSeeds([seed], undefined, { seedMs, signal });
  if (run.broken !== undefined) throw new Error(`the product as it is does not run: ${run.broken}`);
  return catchOf(run) === undefined;
}

function catchOf(run: MutantRun): Catch | undefined {
  const last = run.reports.at(-1);
  if (last?.rule !== undefined) return { seed: last.seed, rule: last.rule };
  return run.endless === undefined ? undefined : { seed: run.endless, rule: 'no end' };
}

async function readCatches(): Promise<Map<string, Catch>> {
  const text = await readFile(catchesFile, 'utf8').catch(() => '{}');
  return new Map(Object.entries(JSON.parse(text) as Record<string, Catch>));
}

async function writeCatches(catches: ReadonlyMap<string, Catch>): Promise<void> {
  const named = guards.flatMap(({ name }) => {
    const known = catches.get(name);
    return known === undefined ? [] : [[name, known] as const];
  });
  const lines = named.map(
    ([name, { seed, rule }]) => `  ${JSON.stringify(name)}: { "seed": ${seed}, "rule": "${rule}" }`,
  );
  await writeFile(catchesFile, `{\n${lines.join(',\n')}\n}\n`);
}
