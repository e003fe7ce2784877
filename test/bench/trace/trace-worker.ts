import { fileURLToPath } from 'node:url';
import { bestFit, randomFit } from './baselines.ts';
import { corePlacer } from './core-placer.ts';
import { type Allocated, arrivals, capacityMilli, measure, randomOf } from './experiment.ts';
import { readNodes, readTasks } from './trace-file.ts';

export const policies = ['random', 'best fit', 'capacloud'] as const;
export type Policy = (typeof policies)[number];

/** One seed of one task file. */
export interface TraceRequest {
  readonly nodes: string;
  readonly tasks: string;
  readonly seed: number;
}
export type TraceAnswer =
  | {
      readonly seed: number;
      readonly allocated: Readonly<Record<Policy, Allocated>>;
      readonly placeUs: number;
    }
  | { readonly problem: string };

/** All three see the same tasks in the same order. */
function runSeed({ nodes: nodeFile, tasks: taskFile, seed }: TraceRequest): TraceAnswer {
  const nodes = readNodes(nodeFile);
  const capacity = capacityMilli(nodes);
  const random = randomOf(seed);
  const order = arrivals(readTasks(taskFile), capacity, random);
  const began = process.cpuUsage();
  const own = measure(corePlacer(nodes), order, capacity);
  const cpu = process.cpuUsage(began);
  const allocated = {
    random: measure(randomFit(nodes, random), order, capacity),
    'best fit': measure(bestFit(nodes), order, capacity),
    capacloud: own,
  };
  return { seed, allocated, placeUs: (cpu.user + cpu.system) / order.length };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.on('message', (request: TraceRequest) => {
    try {
      process.send?.(runSeed(request));
    } catch (error) {
      process.send?.({ problem: error instanceof Error ? error.message : String(error) });
    }
  });
}
