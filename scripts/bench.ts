import { parseArgs } from 'node:util';
import { abuse } from '../test/bench/abuse.ts';
import type { Benchmark, BenchmarkResult } from '../test/bench/benchmark.ts';
import { controller } from '../test/bench/controller.ts';
import { dispatch } from '../test/bench/dispatch.ts';
import { fanin } from '../test/bench/fanin.ts';
import { lifecycle } from '../test/bench/lifecycle.ts';
import { queue } from '../test/bench/queue.ts';
import { snapshot } from '../test/bench/snapshot.ts';
import { buildPackages } from './build-packages.ts';

const benchmarks: readonly Benchmark[] = [lifecycle, queue, controller, dispatch, fanin, abuse, snapshot];

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
    help: { type: 'boolean', default: false },
  },
});
const benchmark = benchmarks.find(({ name }) => name === positionals[0]);
if (benchmark === undefined || values.help) {
  process.stderr.write(usage);
  process.exit(values.help ? 0 : 2);
}

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interruption.abort(new Error(signal)));
await buildPackages(interruption.signal);
const result = await benchmark.run({
  quick: values.quick,
  log: (line) => process.stderr.write(`  ${line}\n`),
  signal: interruption.signal,
});
process.stdout.write(
  values.json ? `${JSON.stringify({ benchmark: benchmark.name, ...result })}\n` : formatResult(result),
);
if (values.check && result.ratios.some((ratio) => !meets(ratio))) process.exitCode = 1;

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
