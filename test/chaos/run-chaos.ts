import { type CaseRow, formatTable, rowOf, sumOf } from './case-table.ts';
import type { ChaosCase } from './chaos-case.ts';
import { Dice } from './dice.ts';
import { CaseFailure, type CaseResult, runCase } from './run-case.ts';

export interface ChaosRun {
  readonly cases: readonly ChaosCase[];
  readonly minutes: number;
  readonly seed: number;
  readonly write: (text: string) => void;
  readonly signal: AbortSignal;
}

const shortestStrikingMs = 6000;
const longestStrikingMs = 60_000;
/** Of setting up, settling and auditing; measured anew with every case. */
const firstOverheadMs = 20_000;

/** Runs the cases again and again, in an order that the seed chooses, until the time is over. True when all was well. */
export async function runChaos({ cases, minutes, seed, write, signal }: ChaosRun): Promise<boolean> {
  const dice = new Dice(seed);
  const until = performance.now() + minutes * 60_000;
  const rows = new Map<string, CaseRow[]>(cases.map(({ name }) => [name, []]));
  let failures = 0;
  let overheadMs = firstOverheadMs;
  write(`chaos: ${cases.length} cases, ${minutes} minutes, seed ${seed}\n`);
  let queue: ChaosCase[] = [];
  while (performance.now() < until) {
    if (queue.length === 0) queue = shuffle(cases, dice);
    const next = queue.shift();
    if (next === undefined) break;
    const shareMs = (until - performance.now()) / (queue.length + 1) - overheadMs;
    const durationMs = Math.min(longestStrikingMs, Math.max(shortestStrikingMs, shareMs));
    const began = performance.now();
    const caseSeed = dice.between(1, 2 ** 31);
    const outcome = await attempt(next, caseSeed, durationMs, signal);
    signal.throwIfAborted();
    const tookMs = performance.now() - began;
    overheadMs = (overheadMs + Math.max(0, tookMs - durationMs)) / 2;
    if (!isWell(outcome)) failures += 1;
    if (!(outcome instanceof CaseFailure)) rows.get(next.name)?.push(rowOf(next.name, outcome));
    write(`${describeOutcome(next.name, caseSeed, tookMs, outcome)}\n`);
  }
  const sums = [...rows].filter(([, runs]) => runs.length > 0).map(([name, runs]) => sumOf(name, runs));
  write(`\n${formatTable([...sums, sumOf('all', sums)])}`);
  const idle = [...rows].filter(([, runs]) => runs.length === 0).map(([name]) => name);
  if (idle.length > 0) write(`not run to the end: ${idle.join(', ')}\n`);
  write(failures === 0 ? 'nothing lost, nothing paid twice\n' : `${failures} runs with findings\n`);
  return failures === 0;
}

async function attempt(
  chaosCase: ChaosCase,
  seed: number,
  durationMs: number,
  signal: AbortSignal,
): Promise<CaseResult | CaseFailure> {
  const pace = { durationMs, minStrikes: 2, maxStrikes: 200 };
  try {
    return await runCase(chaosCase, { pace, seed, signal });
  } catch (error) {
    if (error instanceof CaseFailure) return error;
    throw error;
  }
}

function isWell(outcome: CaseResult | CaseFailure): boolean {
  return !(outcome instanceof CaseFailure) && outcome.findings.length === 0;
}

/** One line while it runs, and what was found below it. */
export function describeOutcome(
  name: string,
  seed: number,
  tookMs: number,
  outcome: CaseResult | CaseFailure,
): string {
  const head = `${name} (${(tookMs / 1000).toFixed(0)} s, seed ${seed})`;
  if (outcome instanceof CaseFailure)
    return `${head}: FAILED: ${outcome.message}\n  evidence: ${outcome.evidence}`;
  const { strikes, jobs, tasks, report, findings, evidence } = outcome;
  const faults = [...strikes].map(([what, count]) => `${count} × ${what}`).join(', ');
  const reasons = [...report.reasons].map(([reason, count]) => `${reason} ${count}`).join(', ');
  const line = `${head}: ${faults}; ${tasks} tasks in ${jobs} jobs, ${report.events} events; attempts ended: ${reasons}`;
  if (evidence === undefined) return `${line}; all well`;
  return [`${line}; ${findings.length} FINDINGS`, ...findings.slice(0, 20), `evidence: ${evidence}`].join(
    '\n  ',
  );
}

function shuffle<T>(items: readonly T[], dice: Dice): T[] {
  const shuffled = [...items];
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = dice.between(0, last);
    [shuffled[last], shuffled[other]] = [shuffled[other] as T, shuffled[last] as T];
  }
  return shuffled;
}
