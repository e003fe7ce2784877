import type { NodeId } from '@capacloud/protocol/ids';
import type { JobTerms } from '../command.ts';
import { rateNano } from '../ledger/price.ts';
import { type Free, fits, loadOf, takeFree } from '../node/capacity.ts';
import type { AskClass, NodeRecord, Task } from '../state.ts';
import { chooseDevices, isAllowed } from './feasibility.ts';

/** What a node has left once the assignments made so far in this look have happened. */
export interface Plan extends Free {
  load: number;
  taken: Set<string> | undefined;
}
/** Only nodes that were given something have a plan; the others are as the state says. */
export type Plans = Map<NodeRecord, Plan>;

export interface Assignment {
  readonly task: Task;
  readonly node: NodeRecord;
  readonly devices: readonly string[];
  readonly rateNano: string;
}

interface Candidate {
  readonly node: NodeRecord;
  load: number;
}

interface PriceGroup {
  readonly rate: bigint;
  readonly rateText: string;
  readonly askClass: AskClass;
  /** Min-heap by load, then node id; undefined until a task gets this far. */
  heap: Candidate[] | undefined;
}

/** Shapes beyond this many are priced anew; prices are cheap, memory is not. */
const maxCachedRates = 64;
const noDevices: readonly string[] = [];
/** An untried task shuns no node, so nothing is ever put here. */
const nobody: Candidate[] = [];

function comesBefore(a: Candidate, b: Candidate): boolean {
  return a.load < b.load || (a.load === b.load && a.node.id < b.node.id);
}

function siftDown(heap: Candidate[], start: number): void {
  const item = heap[start];
  if (item === undefined) return;
  let i = start;
  for (;;) {
    let child = 2 * i + 1;
    let below = heap[child];
    if (below === undefined) break;
    const other = heap[child + 1];
    if (other !== undefined && comesBefore(other, below)) {
      below = other;
      child += 1;
    }
    if (!comesBefore(below, item)) break;
    heap[i] = below;
    i = child;
  }
  heap[i] = item;
}

function removeTop(heap: Candidate[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  heap[0] = last;
  siftDown(heap, 0);
}

function push(heap: Candidate[], candidate: Candidate): void {
  let i = heap.length;
  heap.push(candidate);
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const above = heap[parent];
    if (above === undefined || !comesBefore(candidate, above)) break;
    heap[i] = above;
    i = parent;
  }
  heap[i] = candidate;
}

/** The nodes that may take tasks of one shape, cheapest first, then least loaded, then by id. */
export class Candidates {
  readonly #terms: JobTerms;
  readonly #plans: Plans;
  readonly #excluded: ReadonlySet<NodeId>;
  readonly #groups: PriceGroup[] = [];

  constructor(
    shape: string,
    terms: JobTerms,
    classes: Iterable<AskClass>,
    plans: Plans,
    excluded: ReadonlySet<NodeId>,
  ) {
    this.#terms = terms;
    this.#plans = plans;
    this.#excluded = excluded;
    for (const askClass of classes) {
      const rate = rateOf(askClass, shape, terms);
      if (rate <= terms.maxRateNano)
        this.#groups.push({ rate, rateText: `${rate}`, askClass, heap: undefined });
    }
    this.#groups.sort((a, b) =>
      a.rate < b.rate ? -1 : a.rate > b.rate ? 1 : a.askClass.key < b.askClass.key ? -1 : 1,
    );
  }

  /** No node has room for this shape any more. */
  get exhausted(): boolean {
    return this.#groups.length === 0;
  }

  /** The best node for the task, and its share of it taken in the plans. */
  take(task: Task): Assignment | undefined {
    // Only a task that was tried before can have nodes to shun; for the others the first group decides.
    let avoided: { group: PriceGroup; candidate: Candidate } | undefined;
    for (let g = 0; g < this.#groups.length; ) {
      const group = this.#groups[g];
      if (group === undefined) break;
      group.heap ??= this.#heapOf(group.askClass);
      const setAside: Candidate[] = task.attempt === 0 ? nobody : [];
      const found = this.#first(group.heap, task, setAside);
      for (const candidate of setAside) {
        push(group.heap, candidate);
        if (!candidate.node.occupied.has(task.id)) avoided ??= { group, candidate };
      }
      if (found !== undefined) return this.#choose(task, group, found);
      if (group.heap.length === 0) this.#groups.splice(g, 1);
      else g += 1;
    }
    return avoided === undefined ? undefined : this.#choose(task, avoided.group, avoided.candidate);
  }

  /** First candidate with room that the task does not shun; those shunned are moved aside. */
  #first(heap: Candidate[], task: Task, setAside: Candidate[]): Candidate | undefined {
    for (let top = heap[0]; top !== undefined; top = heap[0]) {
      const plan = this.#plans.get(top.node);
      if (plan !== undefined && plan.load !== top.load) {
        top.load = plan.load;
        siftDown(heap, 0);
        continue;
      }
      if (!this.#hasRoom(top.node, plan)) {
        removeTop(heap);
        continue;
      }
      if (task.attempt === 0 || !(task.avoid.includes(top.node.id) || top.node.occupied.has(task.id)))
        return top;
      setAside.push(top);
      removeTop(heap);
    }
    return undefined;
  }

  #choose(task: Task, group: PriceGroup, { node }: Candidate): Assignment {
    let plan = this.#plans.get(node);
    if (plan === undefined) {
      const { freeSlots, freeCpuMilli, freeMemoryBytes, freeDiskBytes, load } = node;
      plan = { freeSlots, freeCpuMilli, freeMemoryBytes, freeDiskBytes, load, taken: undefined };
      this.#plans.set(node, plan);
    }
    const devices = this.#devicesOf(node, plan) ?? noDevices;
    takeFree(plan, this.#terms.resources);
    if (devices.length > 0) {
      plan.taken ??= new Set();
      for (const device of devices) plan.taken.add(device);
    }
    plan.load = loadOf(node.offer, plan);
    return { task, node, devices, rateNano: group.rateText };
  }

  #heapOf(askClass: AskClass): Candidate[] {
    const heap: Candidate[] = [];
    for (const node of askClass.open) {
      if (this.#excluded.has(node.id) || !isAllowed(node, this.#terms)) continue;
      const plan = this.#plans.get(node);
      if (this.#hasRoom(node, plan)) heap.push({ node, load: plan?.load ?? node.load });
    }
    for (let i = (heap.length >> 1) - 1; i >= 0; i--) siftDown(heap, i);
    return heap;
  }

  #hasRoom(node: NodeRecord, plan: Plan | undefined): boolean {
    if (!fits(plan ?? node, this.#terms.resources)) return false;
    return this.#devicesOf(node, plan) !== undefined;
  }

  #devicesOf(node: NodeRecord, plan: Plan | undefined): readonly string[] | undefined {
    const request = this.#terms.resources.devices;
    if (request === undefined) return noDevices;
    return chooseDevices(
      node.offer,
      request,
      (id) => node.takenDevices.has(id) || (plan?.taken?.has(id) ?? false),
    );
  }
}

function rateOf(askClass: AskClass, shape: string, terms: JobTerms): bigint {
  const known = askClass.rates.get(shape);
  if (known !== undefined) return known;
  if (askClass.rates.size >= maxCachedRates) askClass.rates.clear();
  const rate = rateNano(askClass, terms.resources);
  askClass.rates.set(shape, rate);
  return rate;
}
