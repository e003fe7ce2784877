import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { shownJson } from '@capacloud/protocol/input/plain-text';
import { Command } from 'commander';
import { report } from '../simulate/report/report.ts';
import { seriesCsv } from '../simulate/report/series-csv.ts';
import type { SimulationResult } from '../simulate/results.ts';
import { readScenario } from '../simulate/scenario/read-scenario.ts';
import type { Scenario } from '../simulate/scenario/scenario.ts';
import { type Progress, simulate } from '../simulate/simulation.ts';
import { CommandRefused } from './failure.ts';

/** A larger file is no scenario and no trace. */
const maxFileBytes = 256 * 2 ** 20;
const redrawMs = 200;

interface SimulateFlags {
  readonly json?: true;
  readonly csv?: string;
  readonly seed?: string;
}

export function simulateCommand(): Command {
  return new Command('simulate')
    .argument('<scenario>', 'what to simulate (YAML)')
    .description('try rules on simulated nodes and jobs, with the real scheduler and ledger')
    .option('--json', 'print everything that was measured, over time as well')
    .option('--csv <folder>', 'also write series.csv there')
    .option('--seed <number>', "draw otherwise than with the scenario's own seed")
    .action((path: string, flags: SimulateFlags) => {
      const scenario = loadScenario(path, flags);
      // Before the work, so that a folder that cannot be written costs none.
      if (flags.csv !== undefined) mkdirSync(flags.csv, { recursive: true });
      const result = run(scenario);
      if (flags.csv !== undefined) writeFileSync(join(flags.csv, 'series.csv'), seriesCsv(result));
      process.stdout.write(flags.json === true ? `${shownJson(result)}\n` : report(result));
    });
}

/** Throws CommandRefused with everything that is wrong. */
function loadScenario(path: string, { seed }: SimulateFlags): Scenario {
  const text = readText(path);
  if (text === undefined) throw refused(`There is no file ${path} that can be read.`);
  const scenario = readScenario(text, (trace) => readText(resolve(dirname(path), trace)));
  if (!scenario.ok) throw new CommandRefused(scenario.refusal);
  if (seed === undefined) return scenario.value;
  if (!/^[0-9]{1,9}$/.test(seed)) throw refused('--seed must be a whole number of at most 9 digits.');
  return { ...scenario.value, seed: Number(seed) };
}

function refused(message: string): CommandRefused {
  return new CommandRefused({ code: 'config.invalid', message });
}

function run(scenario: Scenario): SimulationResult {
  const line = new ProgressLine(process.stderr);
  const from = performance.now();
  const result = simulate(scenario, (progress) => line.show(progress));
  line.clear();
  process.stderr.write(`${speedOf(result, (performance.now() - from) / 1000)}\n`);
  return result;
}

/** Not with the results: these are the same each time. */
function speedOf({ durationMs, variants, warmUpMs }: SimulationResult, seconds: number): string {
  const tasks = variants.reduce((sum, { tasksEnded }) => sum + tasksEnded, 0);
  const simulatedS = (variants.length * (warmUpMs + durationMs)) / 1000;
  const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
  return `${whole(tasks)} tasks simulated in ${seconds.toFixed(1)} s: ${whole(tasks / seconds)} tasks/s, ${whole(simulatedS / seconds)} times as fast as real time`;
}

/** Undefined where there is no such file, or one that is too large. */
function readText(path: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const stat = statSync(path);
  return stat.isFile() && stat.size <= maxFileBytes ? readFileSync(path, 'utf8') : undefined;
}

/** Redrawn on a terminal; elsewhere nothing is said until the end. */
class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  #shownAt = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show({ part, tasksEnded, variant }: Progress): void {
    const now = performance.now();
    if (this.#stream.isTTY !== true || now - this.#shownAt < redrawMs) return;
    this.#shownAt = now;
    const done = `${Math.floor(100 * part)} %`.padStart(5);
    this.#stream.write(`\r\u001b[K${done}  ${variant}, ${tasksEnded.toLocaleString('en-US')} tasks`);
  }

  clear(): void {
    if (this.#shownAt > 0) this.#stream.write('\r\u001b[K');
  }
}
