// Hurts a real network in every way there is a case for, and audits what became of its jobs.
//
//   npm run chaos -- [--minutes M] [--only CASE,…] [--seed S]

import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { EngineError } from '@capacloud/rig/engine/engine-error';
import { guardRun } from '@capacloud/rig/leftovers/guarded-run';
import { watchInterruption } from '@capacloud/rig/leftovers/interruption';
import { installPackages } from '@capacloud/rig/programs/install-packages';
import { missingPackages } from '@capacloud/rig/programs/system-packages';
import { allCases } from '../test/chaos/all-cases.ts';
import { runChaos } from '../test/chaos/run-chaos.ts';
import { buildPackages } from './build-packages.ts';

const width = Math.max(...allCases.map(({ name }) => name.length));
const usage = `usage: npm run chaos -- [--minutes M] [--only CASE,…] [--seed S]

  --minutes M     how long (1 to 1440, default 10); a case that has begun is brought to its end
  --only CASE,…   these alone
  --seed S        chooses order, victims and moments (default: another one each time, which is printed)

${allCases.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}

It needs root on Linux. It starts engines of its own, and leaves the one that runs here alone.
`;

interface Options {
  readonly minutes: number;
  readonly cases: typeof allCases;
  readonly seed: number;
}

/** Options, or the exit code where there is nothing to run. */
function readArguments(): Options | number {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: 'string', default: '10' },
        only: { type: 'string', default: allCases.map(({ name }) => name).join(',') },
        seed: { type: 'string', default: String(randomInt(1, 2 ** 32 - 1)) },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return usageAfter(0, '');
    const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
    if (!(minutes >= 1 && minutes <= 1440)) return usageAfter(2, '--minutes takes a number from 1 to 1440');
    if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32)
      return usageAfter(2, '--seed takes a whole number below 2^32');
    const names = values.only.split(',');
    const unknown = names.find((name) => !allCases.some((each) => each.name === name));
    if (unknown !== undefined) return usageAfter(2, `there is no case ${unknown}`);
    return { minutes, seed, cases: allCases.filter(({ name }) => names.includes(name)) };
  } catch (error) {
    return usageAfter(2, error instanceof Error ? error.message : String(error));
  }
}

function usageAfter(exitCode: number, complaint: string): number {
  process.stderr.write(complaint === '' ? usage : `${complaint}\n${usage}`);
  return exitCode;
}

async function main(options: Options, signal: AbortSignal): Promise<number> {
  const write = (text: string): void => void process.stdout.write(text);
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    process.stderr.write('chaos: namespaces, loop devices and engines need root on Linux\n');
    return 2;
  }
  const missing = missingPackages('engine', 'tests', 'chaos');
  if (missing.length > 0) await installPackages(missing, write, signal);
  await buildPackages(signal);
  return (await runChaos({ ...options, write, signal })) ? 0 : 1;
}

const interruption = watchInterruption();
const options = readArguments();
if (typeof options === 'number') process.exitCode = options;
else {
  try {
    process.exitCode = await guardRun({}, () => main(options, interruption.signal));
  } catch (error) {
    if (interruption.signal.aborted) {
      process.stdout.write('interrupted; nothing was left behind\n');
      process.exitCode = 130;
    } else if (error instanceof EngineError) {
      process.stderr.write(`chaos: ${error.message}\n  hint: ${error.hint}\n`);
      process.exitCode = 1;
    } else throw error;
  }
}
