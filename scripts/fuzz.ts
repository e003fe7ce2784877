// Fuzzes for as long as is asked, with another seed each round; stops at the first failure and names its seed.
//
//   npm run fuzz -- [--minutes M] [--seed S] [--effort E] [parts of file names…]
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runCommand } from '@capacloud/rig/programs/command';
import { buildPackages } from './build-packages.ts';

const usage = `usage: npm run fuzz -- [--minutes M] [--seed S] [--effort E] [parts of file names…]

  --minutes  how long, at least one round; default 5
  --seed     of the first round; default: the time
  --effort   inputs of a round, as a multiple of those in npm test; default 4
`;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    effort: { type: 'string', default: '4' },
    help: { type: 'boolean', default: false },
  },
});
const [minutes, firstSeed, effort] = [Number(values.minutes), Number(values.seed), Number(values.effort)];
const isSound = minutes >= 0 && Number.isSafeInteger(firstSeed) && effort > 0 && effort <= 1000;
if (values.help || !isSound) {
  process.stderr.write(usage);
  process.exit(values.help ? 0 : 2);
}

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interruption.abort());
await buildPackages(interruption.signal);
const files = positionals.length === 0 ? ['test/fuzz'] : positionals.map((part) => `test/fuzz/${part}`);
const endsAt = Date.now() + minutes * 60_000;
let rounds = 0;
do {
  const seed = firstSeed + rounds;
  const env = { ...process.env, CAPACLOUD_FUZZ_SEED: String(seed), CAPACLOUD_FUZZ_EFFORT: String(effort) };
  const { exitCode, output, durationMs } = await runCommand(
    'vitest',
    ['run', '--project', 'loopback', '--testTimeout=3600000', ...files],
    { cwd: root, output: 'capture', env },
    interruption.signal,
  );
  if (interruption.signal.aborted) break;
  rounds += 1;
  if (exitCode !== 0) {
    process.stdout.write(
      `${output}\nseed ${seed} fails; see it again: npm run fuzz -- --minutes 0 --seed ${seed} --effort ${effort} ${positionals.join(' ')}\n`,
    );
    process.exitCode = 1;
    break;
  }
  process.stdout.write(`seed ${seed} holds (${(durationMs / 1000).toFixed(0)} s)\n`);
} while (Date.now() < endsAt);
if (interruption.signal.aborted) process.exitCode = 130;
process.stdout.write(`${rounds} rounds of effort ${effort}, ${process.exitCode === 1 ? 1 : 0} failed\n`);
