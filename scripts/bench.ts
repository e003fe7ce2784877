import { parseArgs } from 'node:util';
import { abuse } from '../test/bench/abuse.ts';
import {
  type Benchmark,
  type BenchmarkOptions,
  BenchmarkRefusal,
  type BenchmarkResult,
} from '../test/bench/benchmark.ts';
import { controller } from '../test/bench/controller.ts';
import { dispatch } from '../test/bench/dispatch.ts';
import { fanin } from '../test/bench/fanin.ts';
import { joins } from '../test/bench/joins.ts';
import { lifecycle } from '../test/bench/lifecycle.ts';
import { placement } from '../test/bench/placement/placement.ts';
import { queue } from '../test/bench/queue.ts';
import { snapshot } from '../test/bench/snapshot.ts';
import { trace } from '../test/bench/trace/trace.ts';
import { buildPackages } from './build-packages.ts';

const benchmarks: readonly Benchmark[] = [
  lifecycle,
  queue,
  controller,
  dispatch,
  fanin,
  abuse,
  joins,
  snapshot,
  trace,
  placement,
];

const usage = `usage: npm run bench -- NAME [--quick] [--json] [--check]

${benchmarks.map((benchmark) => `  ${benchmark.name.padEnd(12)} ${benchmark.summary}`).join('\n')}

  --quick   fewer rounds, for a look
  --json    one JSON object on standard output
  --check   exit 1 when a target is missed
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    tasks: { type: 'string' },
    seeds: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const benchmark = benchmarks.find(({ name }) => name === positionals[0]);
if (benchmark === undefined || values.help) {
  process.stderr.write(usage);
  process.exit(values.help ? 0 : 2);
}

const seeds = values.seeds === undefined ? undefined : Number(values.seeds);
if (seeds !== undefined && !(Number.isInteger(seeds) && seeds > 0 && seeds <= 1000)) {
  process.stderr.write(`bench: --seeds is "${values.seeds}"\n  hint: give a whole number from 1 to 1000\n`);
  process.exit(2);
}

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interruption.abort(new Error(signal)));
await buildPackages(interruption.signal);
const result = await measure(benchmark, {
  quick: values.quick,
  ...(values.tasks === undefined ? {} : { tasks: values.tasks }),
  ...(seeds === undefined ? {} : { seeds }),
  log: (line) => process.stderr.write(`  ${line}\n`),
  signal: interruption.signal,
});
process.stdout.write(
  values.json ? `${JSON.stringify({ benchmark: benchmark.name, ...result })}\n` : formatResult(result),
);
if (values.check && result.ratios.some((ratio) => !meets(ratio))) process.exitCode = 1;

async function measure(chosen: Benchmark, options: BenchmarkOptions): Promise<BenchmarkResult> {
  try {
    return await chosen.run(options);
  } catch (error) {
    if (!(error instanceof BenchmarkRefusal)) throw error;
    process.stderr.write(`bench: ${error.message}\n`);
    process.exit(2);
  }
}

function meets(ratio: BenchmarkResult['ratios'][number]): boolean {
  return ratio.better === 'higher' ? ratio.value >= ratio.target : ratio.value <= ratio.target;
}

function formatResult({ figures, ratios }: BenchmarkResult): string {
  const width = Math.max(...figures.map(({ name }) => name.length), ...ratios.map(({ name }) => name.length));
  const lines = figures.map(
    ({ name, value, unit }) =>
      `${name.padEnd(width)}  ${value.toFixed(value < 100 ? 1 : 0).padStart(9)} ${unit}`,
  );
  for (const ratio of ratios) {
    const sign = ratio.better === 'higher' ? '≥' : '≤';
    lines.push(
      `${ratio.name.padEnd(width)}  ${ratio.value.toFixed(3).padStart(9)} (target ${sign} ${ratio.target}: ${meets(ratio) ? 'met' : 'missed'})`,
    );
  }
  return `${lines.join('\n')}\n`;
}
