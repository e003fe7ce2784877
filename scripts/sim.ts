import { availableParallelism, constants } from 'node:os';
import { parseArgs } from 'node:util';
import { checkMutations } from '../test/sim/mutations/check-mutations.ts';
import type { SimQuestion } from '../test/sim/run/messages.ts';
import { SimPool } from '../test/sim/run/sim-pool.ts';
import { formatFailure, formatShrunk, formatTotals, SimTotals } from '../test/sim/run/sim-report.ts';

const usage = `usage: npm run sim -- [--seeds N] [--first SEED] [--seconds S] [--jobs CORES]
       npm run sim -- --seed SEED [--trace [LINES]]
       npm run sim -- --mutations [--only TEXT] [--seeds N]

  Runs coordinator and agents in a simulated world, each seed with faults of its own. See test/sim/README.md.

  --seeds N     seeds to run (200)
  --first SEED  the first of them (1)
  --seconds S   stop after so long, whatever is left
  --jobs CORES  processes (all cores)
  --seed SEED   this one alone
  --trace       print what happened in it
  --mutations   take guards of the product away, one at a time: simulated runs must miss each (at most N seeds a guard)
  --only TEXT   guards whose name has this in it
`;
/** Of so many seeds one is run twice, to see that it is the same. */
const sampleEvery = 20;
const shrinkMs = 60_000;
const enoughFailures = 5;
const traceLines = 1_000_000;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    first: { type: 'string', default: '1' },
    seconds: { type: 'string' },
    jobs: { type: 'string', default: `${availableParallelism()}` },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    mutations: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
const number = (text: string): number => {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(usage);
  process.exit(2);
};
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}

const controller = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.once(name, () => {
    process.exitCode = 128 + constants.signals[name];
    controller.abort();
  });
// What a signal cuts short rejects wherever it is; that is no error of the simulation.
process.on('uncaughtException', (error) => {
  if (controller.signal.aborted) process.exit();
  process.stderr.write(`${error.stack ?? error.message}\n`);
  process.exit(1);
});
if (values.mutations) {
  const allMissed = await checkMutations({
    jobs: Math.max(1, number(values.jobs)),
    seeds: number(values.seeds),
    firstSeed: number(values.first),
    only: values.only,
    write: (text) => process.stdout.write(text),
    signal: controller.signal,
  });
  process.exit(allMissed ? 0 : 1);
}
const single = values.seed === undefined ? undefined : number(values.seed);
const first = single ?? number(values.first);
const count = single === undefined ? number(values.seeds) : 1;
const untilMs =
  values.seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + 1000 * number(values.seconds);

function* questions(): Generator<Extract<SimQuestion, { kind: 'run' }>, undefined> {
  for (let seed = first; seed < first + count; seed++) {
    if (performance.now() > untilMs) return;
    const twice = single !== undefined || (seed - first) % sampleEvery === 0;
    yield { kind: 'run', seed, twice, trace: values.trace ? traceLines : 0 };
  }
}

const begun = performance.now();
const pool = await SimPool.start(Math.min(count, Math.max(1, number(values.jobs))), controller.signal);
const totals = new SimTotals();
let shownAtMs = begun;
let hash = '';
await pool.run(questions(), (run) => {
  totals.add(run);
  hash = run.result.hash;
  if (values.trace) process.stdout.write(`${run.result.trace.join('\n')}\n`);
  if (run.result.failure !== undefined) process.stderr.write(`${formatFailure(run)}\n`);
  if (performance.now() - shownAtMs > 10_000) {
    shownAtMs = performance.now();
    process.stderr.write(`  ${totals.seeds} seeds, ${Math.round(totals.eventsPerSecond)} events/s a core\n`);
  }
  return totals.failures.length < enoughFailures;
});
const [failed] = totals.failures;
if (failed?.result.failure !== undefined) {
  process.stderr.write('shrinking the first of them …\n');
  const shrunk = await pool.shrink(failed.result.seed, failed.result.failure.rule, shrinkMs);
  process.stderr.write(`${formatShrunk(shrunk)}\n\n`);
}
pool.end();
for (const seed of totals.differingSeeds)
  process.stderr.write(`seed ${seed} is not deterministic: two runs of it differ\n`);
process.stdout.write(formatTotals(totals, performance.now() - begun));
if (single !== undefined) process.stdout.write(`  hash of the trace: ${hash}\n`);
if (totals.failures.length > 0 || totals.differing > 0) process.exitCode = 1;
