import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nextMessage } from '@capacloud/rig/programs/child-answer';
import {
  type Benchmark,
  type BenchmarkOptions,
  BenchmarkRefusal,
  type BenchmarkResult,
} from '../benchmark.ts';
import type { Allocated } from './experiment.ts';
import { type Policy, policies, type TraceAnswer, type TraceRequest } from './trace-worker.ts';

const folder = fileURLToPath(new URL('../../fixtures/gpu-trace-2023/', import.meta.url));
const nodeFile = join(folder, 'nodes.csv');
const worker = fileURLToPath(new URL('./trace-worker.ts', import.meta.url));
const fullSeeds = 10;

/** Averages of the authors' own ten runs of fragmentation gradient descent, the best that they published. */
const published: Readonly<Record<string, Allocated>> = {
  default: { at100: 95.23, at130: 95.39 },
  cpu100: { at100: 95.21, at130: 95.35 },
  gpushare40: { at100: 93.96, at130: 94.15 },
  multigpu20: { at100: 95.53, at130: 95.65 },
  gpuspec10: { at100: 94.66, at130: 94.95 },
};

/**
 * The experiment of Weng et al., "Beware of Fragmentation" (USENIX ATC '23): tasks of a production cluster in a random
 * order, then more of them drawn at random until 130 % of the GPUs are asked for, offered one at a time to 1,213 nodes; what
 * fits nowhere is dropped, and nothing leaves. The figure is the part of all GPU capacity that is allocated when the
 * demand reaches 100 % and 130 %.
 */
export const trace: Benchmark = {
  name: 'trace',
  summary:
    'GPU capacity allocated on a production trace, against the published best  [--tasks NAME|FILE] [--seeds N]',
  async run(options) {
    const { quick, log, signal } = options;
    const seeds = options.seeds ?? (quick ? 2 : fullSeeds);
    const figures: BenchmarkResult['figures'][number][] = [];
    const ratios: BenchmarkResult['ratios'][number][] = [];
    const pool = new Pool(signal);
    try {
      for (const name of namesOf(options)) {
        const tasks = name in published ? join(folder, `tasks-${name}.csv`) : name;
        const runs = await pool.run(
          Array.from({ length: seeds }, (_, index) => ({ nodes: nodeFile, tasks, seed: index + 1 })),
        );
        for (const policy of policies) {
          const { at100, at130 } = meanOf(runs.map(({ allocated }) => allocated[policy]));
          figures.push({ name: `${name}, ${policy}, at 100 %`, value: at100, unit: '%' });
          figures.push({ name: `${name}, ${policy}, at 130 %`, value: at130, unit: '%' });
          log(`${name.padEnd(12)} ${policy.padEnd(10)} ${at100.toFixed(2)} / ${at130.toFixed(2)}`);
        }
        const placeUs = runs.reduce((sum, run) => sum + run.placeUs, 0) / runs.length;
        figures.push({ name: `${name}, CPU`, value: placeUs, unit: 'µs/task' });
        ratios.push(...ratiosOf(name, meanOf(runs.map(({ allocated }) => allocated.capacloud))));
      }
    } finally {
      pool.close();
    }
    return { figures, ratios };
  },
};

function namesOf({ tasks }: BenchmarkOptions): readonly string[] {
  if (tasks === undefined) return Object.keys(published);
  if (!(tasks in published) && !existsSync(tasks))
    throw new BenchmarkRefusal(
      `there is no file ${tasks}; the tasks that are known by name are ${Object.keys(published).join(', ')}`,
    );
  return [tasks];
}

function ratiosOf(name: string, { at100, at130 }: Allocated): BenchmarkResult['ratios'] {
  const best = published[name];
  if (best === undefined) return [];
  return [
    { name: `R8, ${name} at 100 %`, value: at100 / best.at100, target: 1, better: 'higher' },
    { name: `R8, ${name} at 130 %`, value: at130 / best.at130, target: 1, better: 'higher' },
  ];
}

function meanOf(runs: readonly Allocated[]): Allocated {
  const mean = (of: (run: Allocated) => number): number =>
    runs.reduce((sum, run) => sum + of(run), 0) / runs.length;
  return { at100: mean((run) => run.at100), at130: mean((run) => run.at130) };
}

type SeedResult = Extract<TraceAnswer, { readonly seed: number }> & {
  readonly allocated: Readonly<Record<Policy, Allocated>>;
};

/** A process a core; each takes the next seed when it has done its last. */
class Pool {
  readonly #signal: AbortSignal;
  readonly #children: ChildProcess[];

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.#children = Array.from({ length: availableParallelism() }, () => fork(worker));
  }

  async run(requests: readonly TraceRequest[]): Promise<readonly SeedResult[]> {
    const left = [...requests];
    const results: SeedResult[] = [];
    const work = async (child: ChildProcess): Promise<void> => {
      for (let request = left.shift(); request !== undefined; request = left.shift()) {
        const answered = nextMessage<TraceAnswer>(child, 'a process that places', this.#signal);
        child.send(request);
        const answer = await answered;
        if ('problem' in answer) throw new BenchmarkRefusal(answer.problem);
        results.push(answer);
      }
    };
    await Promise.all(this.#children.map(work));
    return results.sort((a, b) => a.seed - b.seed);
  }

  close(): void {
    for (const child of this.#children) child.kill();
  }
}
