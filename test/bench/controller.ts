import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Benchmark, median } from './benchmark.ts';
import { lifecycle } from './lifecycle.ts';
import { startSlurm } from './peers/slurm.ts';

/**
 * R3: what a job costs slurmctld ÷ what a task costs the coordinator, CPU of all threads: theirs for an array of empty
 * jobs on one node, ours under the load of the lifecycle benchmark, with its money, signatures and log. Alternating.
 */
export const controller: Benchmark = {
  name: 'controller',
  summary: 'slurmctld’s CPU a job ÷ the coordinator’s CPU a task (R3)',
  async run({ quick, log, signal }) {
    const dir = await mkdtemp(join(tmpdir(), 'capacloud-bench-'));
    const rounds = quick ? 1 : 3;
    const jobs = quick ? 500 : 1000;
    const theirs: number[] = [];
    const ours: number[] = [];
    const rates: number[] = [];
    try {
      for (let round = 1; round <= rounds; round++) {
        // Not beside ours: an idle Slurm still works.
        const slurm = await startSlurm(join(dir, `${round}`), signal);
        try {
          const { perSecond, cpuUs } = await slurm.measure(jobs);
          rates.push(perSecond);
          theirs.push(cpuUs);
        } finally {
          await slurm.stop();
        }
        ours.push(await coordinatorCpuUs({ log, signal }));
        log(
          `round ${round}: ${ours.at(-1)?.toFixed(0)} µs a task, slurmctld ${theirs.at(-1)?.toFixed(0)} µs a job`,
        );
      }
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
    return {
      figures: [
        { name: 'coordinator CPU (all threads)', value: median(ours), unit: 'µs/task' },
        { name: 'slurmctld CPU', value: median(theirs), unit: 'µs/job' },
        { name: 'Slurm’s jobs', value: median(rates), unit: 'jobs/s' },
      ],
      ratios: [
        {
          name: 'R3',
          value: median(theirs.map((cpuUs, round) => cpuUs / (ours[round] ?? Number.NaN))),
          target: 30,
          better: 'higher',
        },
      ],
    };
  },
};

async function coordinatorCpuUs(parts: {
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<number> {
  const { figures } = await lifecycle.run({ ...parts, quick: true });
  const figure = figures.find(({ name, unit }) => name.startsWith('coordinator CPU') && unit === 'µs/task');
  if (figure === undefined) throw new Error('the lifecycle benchmark does not tell the CPU of a task');
  return figure.value;
}
