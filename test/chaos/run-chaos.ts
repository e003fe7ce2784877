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

const liveJobs = 3;
const shortestStrikingMs = 6000;
const longestStrikingMs = 60_000;
/** Cases at the same time: they share nothing but the machine, and wait most of the time. */
const lanes = 2;
/** Before any was measured. */
const firstOverheadMs = 20_000;

/** Runs the cases again and again, in an order that the seed chooses, until the time is over. True when all was well. */
export async function runChaos({ cases, minutes, seed, write, signal }: ChaosRun): Promise<boolean> {
  const schedule = new Schedule(cases, new Dice(seed), minutes * 60_000);
  const rows = new Map<string, CaseRow[]>(cases.map(({ name }) => [name, []]));
  let failures = 0;
  write(`chaos: ${cases.length} cases, ${minutes} minutes, seed ${seed}\n`);
  async function runLane(): Promise<void> {
    for (let turn = schedule.next(); turn !== undefined; turn = schedule.next()) {
      const { name } = turn.chaosCase;
      const began = performance.now();
      const outcome = await attempt(turn, signal);
      signal.throwIfAborted();
      const tookMs = performance.now() - began;
      schedule.took(tookMs - turn.strikingMs);
      if (!isWell(outcome)) failures += 1;
      if (!(outcome instanceof CaseFailure)) rows.get(name)?.push(rowOf(name, outcome));
      write(`${describeOutcome(name, turn.seed, tookMs, outcome)}\n`);
    }
  }
  // Interrupted, each lane still cleans up after itself.
  const ends = await Promise.allSettled(Array.from({ length: lanes }, runLane));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  const sums = [...rows].filter(([, runs]) => runs.length > 0).map(([name, runs]) => sumOf(name, runs));
  write(`\n${formatTable([...sums, sumOf('all', sums)])}`);
  const idle = [...rows].filter(([, runs]) => runs.length === 0).map(([name]) => name);
  if (idle.length > 0) write(`not run to the end: ${idle.join(', ')}\n`);
  write(failures === 0 ? 'nothing lost, nothing paid twice\n' : `${failures} runs with findings\n`);
  return failures === 0;
}

interface Turn {
  readonly chaosCase: ChaosCase;
  readonly seed: number;
  readonly strikingMs: number;
}

/** Which case comes next, and for how long: so that each has had its turn when the time is over, if it can be. */
class Schedule {
  readonly #cases: readonly ChaosCase[];
  readonly #dice: Dice;
  readonly #until: number;
  #queue: ChaosCase[] = [];
  /** Of setting up, settling and auditing. */
  #overheadMs = firstOverheadMs;

  constructor(cases: readonly ChaosCase[], dice: Dice, durationMs: number) {
    this.#cases = cases;
    this.#dice = dice;
    this.#until = performance.now() + durationMs;
  }

  next(): Turn | undefined {
    const leftMs = this.#until - performance.now();
    if (leftMs <= 0) return undefined;
    if (this.#queue.length === 0) this.#queue = shuffle(this.#cases, this.#dice);
    const chaosCase = this.#queue.shift();
    if (chaosCase === undefined) return undefined;
    const shareMs = (leftMs * lanes) / (this.#queue.length + 1) - this.#overheadMs;
    const strikingMs = Math.min(longestStrikingMs, Math.max(shortestStrikingMs, shareMs));
    return { chaosCase, seed: this.#dice.between(1, 2 ** 31), strikingMs };
  }

  took(overheadMs: number): void {
    this.#overheadMs = (this.#overheadMs + Math.max(0, overheadMs)) / 2;
  }
}

async function attempt(
  { chaosCase, seed, strikingMs }: Turn,
  signal: AbortSignal,
): Promise<CaseResult | CaseFailure> {
  const pace = { liveJobs, durationMs: strikingMs, minStrikes: 2, maxStrikes: 200 };
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
