import type { TracePlacer } from './experiment.ts';
import type { TraceNode, TraceTask } from './trace-file.ts';

interface Space {
  readonly model: string;
  cpuMilli: number;
  memoryMib: number;
  readonly gpuMilli: number[];
}

interface Choice {
  node(feasible: readonly Space[]): Space | undefined;
  /** Index of one of the GPUs that will do, given with what each has free. */
  gpu(feasible: readonly (readonly [index: number, free: number])[]): number | undefined;
}

/** Places on what is chosen of the nodes with room, and of their GPUs. */
function placer(nodes: readonly TraceNode[], choice: Choice): TracePlacer {
  const spaces = nodes.map(
    ({ cpuMilli, memoryMib, gpus, model }): Space => ({
      model,
      cpuMilli,
      memoryMib,
      gpuMilli: Array.from({ length: gpus }, () => 1000),
    }),
  );
  return {
    place(task) {
      const space = choice.node(spaces.filter((each) => hasRoom(each, task)));
      if (space === undefined) return false;
      space.cpuMilli -= task.cpuMilli;
      space.memoryMib -= task.memoryMib;
      for (let left = task.gpus; left > 0; left--) {
        const chosen = choice.gpu([...space.gpuMilli.entries()].filter(([, free]) => free >= task.gpuMilli));
        if (chosen !== undefined) space.gpuMilli[chosen] = (space.gpuMilli[chosen] ?? 0) - task.gpuMilli;
      }
      return true;
    },
  };
}

function hasRoom(space: Space, task: TraceTask): boolean {
  if (space.cpuMilli < task.cpuMilli || space.memoryMib < task.memoryMib) return false;
  if (task.gpus === 0) return true;
  if (task.models.length > 0 && !task.models.includes(space.model)) return false;
  return space.gpuMilli.filter((free) => free >= task.gpuMilli).length >= task.gpus;
}

export function randomFit(nodes: readonly TraceNode[], random: () => number): TracePlacer {
  const any = <T>(feasible: readonly T[]): T | undefined => feasible[Math.floor(random() * feasible.length)];
  return placer(nodes, { node: any, gpu: (feasible) => any(feasible)?.[0] });
}

/** To the node with the least left, of processors and GPUs, each as a part of the largest node's; on it to the fullest GPU. */
export function bestFit(nodes: readonly TraceNode[]): TracePlacer {
  const cpuMilli = Math.max(...nodes.map((node) => node.cpuMilli));
  const gpuMilli = 1000 * Math.max(...nodes.map((node) => node.gpus));
  const leftOf = (space: Space): number =>
    space.cpuMilli / cpuMilli + space.gpuMilli.reduce((sum, free) => sum + free, 0) / gpuMilli;
  return placer(nodes, {
    node: (feasible) => leastOf(feasible, leftOf),
    gpu: (feasible) => leastOf(feasible, ([, free]) => free)?.[0],
  });
}

function leastOf<T>(items: readonly T[], of: (item: T) => number): T | undefined {
  let best: T | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const item of items) {
    const value = of(item);
    if (value < least) [best, least] = [item, value];
  }
  return best;
}
