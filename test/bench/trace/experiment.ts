import type { TraceNode, TraceTask } from './trace-file.ts';

/** Places tasks one at a time; nothing leaves. */
export interface TracePlacer {
  /** False when the task fits nowhere, and is dropped. */
  place(task: TraceTask): boolean;
}

/** Percent of all GPU capacity that was allocated when so much of it had been asked for. */
export interface Allocated {
  readonly at100: number;
  readonly at130: number;
}

/** mulberry32: small, and the same everywhere. */
export function randomOf(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const gpuMilliOf = ({ gpus, gpuMilli }: TraceTask): number => gpus * gpuMilli;

export const capacityMilli = (nodes: readonly TraceNode[]): number =>
  nodes.reduce((sum, { gpus }) => sum + gpus * 1000, 0);

/** The tasks in a random order, then drawn with replacement until 130 % of the capacity is asked for. */
export function arrivals(
  tasks: readonly TraceTask[],
  capacity: number,
  random: () => number,
): readonly TraceTask[] {
  const order = [...tasks];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [order[i], order[j]];
    if (a === undefined || b === undefined) continue;
    order[i] = b;
    order[j] = a;
  }
  let demand = order.reduce((sum, task) => sum + gpuMilliOf(task), 0);
  while (demand < 1.3 * capacity) {
    const task = tasks[Math.floor(random() * tasks.length)];
    if (task === undefined) break;
    order.push(task);
    demand += gpuMilliOf(task);
  }
  return order;
}

export function measure(placer: TracePlacer, order: readonly TraceTask[], capacity: number): Allocated {
  let demand = 0;
  let allocated = 0;
  let at100: number | undefined;
  for (const task of order) {
    demand += gpuMilliOf(task);
    if (placer.place(task)) allocated += gpuMilliOf(task);
    if (demand >= capacity) at100 ??= allocated;
  }
  return { at100: (100 * (at100 ?? allocated)) / capacity, at130: (100 * allocated) / capacity };
}
