import type { NodeId } from '@capacloud/protocol/ids';
import { type Obstacle, obstacles } from '@capacloud/protocol/obstacles';
import type { Device } from '@capacloud/protocol/resources';
import type { JobTerms } from '../command.ts';
import { parseAsk, rateNano } from '../ledger/price.ts';
import type { NodeRecord, Task } from '../state.ts';
import { isVersionAtLeast, matchesDevice } from './feasibility.ts';
import { isPassing, obstaclesOf, withoutWish } from './obstacles.ts';

const maxExamples = 10;
const maxModels = 5;

/** How many nodes an obstacle keeps a task from. */
export interface ObstacleCount {
  readonly obstacle: Obstacle;
  readonly nodes: number;
  /** Those that nothing else keeps it from but what passes by itself. */
  readonly alone: number;
  /** Some of the nodes; those that nothing else keeps it from first. */
  readonly examples: readonly NodeId[];
}

/** The smallest change of one wish that opens a node, in the units of the terms. */
export interface Change {
  readonly obstacle: Obstacle;
  /** Of rates and sizes a number, of models their names, of versions a version; absent where the wish has to go. */
  readonly to?: bigint | number | string | readonly string[];
  /** Nodes that the change opens, and how many of them have room now. */
  readonly nodes: number;
  readonly free: number;
}

interface Tally {
  nodes: number;
  readonly alone: { readonly node: NodeRecord; readonly isFree: boolean }[];
  readonly others: NodeId[];
}

/** Why a task waits: what keeps it from each node, counted, and what would help. Nodes are shown one by one. */
export class Explanation {
  readonly #terms: JobTerms;
  readonly #task: Task | undefined;
  readonly #tallies = new Map<Obstacle, Tally>();
  /** Nodes that were shown; those that would do once free; those that would do now. */
  nodes = 0;
  suitable = 0;
  free = 0;

  constructor(terms: JobTerms, task?: Task) {
    this.#terms = terms;
    this.#task = task;
  }

  look(node: NodeRecord): void {
    if (node.status === 'lost' || node.status === 'gone') return;
    this.nodes += 1;
    const found = obstaclesOf(node, this.#terms, this.#task);
    const lasting = found.filter((obstacle) => !isPassing(obstacle));
    if (found.length === 0) this.free += 1;
    if (lasting.length === 0) this.suitable += 1;
    for (const obstacle of found) {
      const tally = this.#tallies.get(obstacle) ?? { nodes: 0, alone: [], others: [] };
      this.#tallies.set(obstacle, tally);
      tally.nodes += 1;
      const isAlone = isPassing(obstacle) ? found.length === 1 : lasting.length === 1;
      if (isAlone) tally.alone.push({ node, isFree: found.length === 1 });
      else if (tally.others.length < maxExamples) tally.others.push(node.id);
    }
  }

  /** In the order of the catalogue. */
  counts(): readonly ObstacleCount[] {
    return obstacles.flatMap((obstacle) => {
      const tally = this.#tallies.get(obstacle);
      if (tally === undefined) return [];
      const examples = [...tally.alone.slice(0, maxExamples).map(({ node }) => node.id), ...tally.others];
      return [
        { obstacle, nodes: tally.nodes, alone: tally.alone.length, examples: examples.slice(0, maxExamples) },
      ];
    });
  }

  /** Each about one wish, the one that opens the most free nodes first. */
  changes(): readonly Change[] {
    const found: Change[] = [];
    for (const obstacle of obstacles) {
      const alone = this.#tallies.get(obstacle)?.alone ?? [];
      if (alone.length > 0 && !isPassing(obstacle)) found.push(...this.#changeOf(obstacle, alone));
    }
    return found.sort((a, b) => b.free - a.free || b.nodes - a.nodes);
  }

  #changeOf(obstacle: Obstacle, alone: Tally['alone']): readonly Change[] {
    const { resources } = this.#terms;
    /** The best value that any of the nodes allows, free ones before others, and who allows it. */
    const nearest = <T>(
      of: (node: NodeRecord) => T | undefined,
      isCloser: (a: T, b: T) => boolean,
    ): readonly Change[] => {
      const free = alone.filter(({ isFree }) => isFree);
      let best: T | undefined;
      for (const { node } of free.length > 0 ? free : alone) {
        const value = of(node);
        if (value !== undefined && (best === undefined || isCloser(value, best))) best = value;
      }
      if (best === undefined) return [];
      const limit = best;
      const opened = alone.filter(({ node }) => {
        const value = of(node);
        return value !== undefined && !isCloser(limit, value);
      });
      return [{ ...opening(obstacle, opened), to: limit as bigint | number | string }];
    };
    const more = (a: number, b: number): boolean => a > b;
    switch (obstacle) {
      case 'price':
        return nearest(
          ({ askClass, offer }) => rateNano(askClass ?? parseAsk(offer.ask), resources),
          (a, b) => a < b,
        );
      case 'cpu':
        return nearest(({ offer }) => offer.cpuMilli, more);
      case 'memory':
        return nearest(({ offer }) => offer.memoryBytes, more);
      case 'disk':
        return nearest(({ offer }) => offer.diskBytes, more);
      case 'gpu_count':
        return nearest(({ offer }) => {
          const { devices } = resources;
          return devices === undefined
            ? undefined
            : offer.devices.filter((device) => matchesDevice(device, devices)).length || undefined;
        }, more);
      case 'gpu_memory':
        return nearest((node) => this.#atLeast(node, obstacle, ({ memoryBytes }) => memoryBytes, more), more);
      case 'gpu_cuda':
        return nearest((node) => this.#atLeast(node, obstacle, ({ cuda }) => cuda, isNewer), isNewer);
      case 'gpu_compute_capability':
        return nearest(
          (node) => this.#atLeast(node, obstacle, ({ computeCapability }) => computeCapability, isNewer),
          isNewer,
        );
      case 'gpu_model':
        return [this.#withModels(alone)];
      case 'gpu_vendor':
      case 'provider':
      case 'root':
      case 'gpu_share':
        return [opening(obstacle, alone)];
      // No one wish is to blame, or nothing that a job asks for.
      case 'gpu_combination':
      case 'node_silent':
      case 'node_closed':
      case 'tried':
      case 'busy_slots':
      case 'busy_cpu':
      case 'busy_memory':
      case 'busy_disk':
      case 'busy_gpu':
        return [];
    }
  }

  /** Devices of the node that meet every wish but the one that the obstacle is about. */
  #others(node: NodeRecord, obstacle: Obstacle): readonly Device[] {
    const { devices } = this.#terms.resources;
    if (devices === undefined) return [];
    const request = withoutWish(devices, obstacle);
    return node.offer.devices.filter((device) => matchesDevice(device, request));
  }

  /** The most that as many devices as are wanted all reach. */
  #atLeast<T>(
    node: NodeRecord,
    obstacle: Obstacle,
    of: (device: Device) => T | undefined,
    isMore: (a: T, b: T) => boolean,
  ): T | undefined {
    const values = this.#others(node, obstacle).flatMap((device) => of(device) ?? []);
    values.sort((a, b) => (isMore(a, b) ? -1 : isMore(b, a) ? 1 : 0));
    return values[(this.#terms.resources.devices?.count ?? 1) - 1];
  }

  /** The models that are wanted, and those that would open nodes, the most frequent first. */
  #withModels(alone: Tally['alone']): Change {
    const counts = new Map<string, number>();
    for (const { node } of alone)
      for (const model of new Set(this.#others(node, 'gpu_model').map((device) => device.model)))
        counts.set(model, (counts.get(model) ?? 0) + 1);
    const more = [...counts]
      .sort(([a, aCount], [b, bCount]) => bCount - aCount || (a < b ? -1 : 1))
      .slice(0, maxModels)
      .map(([model]) => model);
    const opened = alone.filter(({ node }) => this.#holds(node, more));
    const to = [...(this.#terms.resources.devices?.models ?? []), ...more];
    return { ...opening('gpu_model', opened), to };
  }

  /** Whether enough devices are of the models, or of those that are wanted already. */
  #holds(node: NodeRecord, models: readonly string[]): boolean {
    const { devices } = this.#terms.resources;
    if (devices === undefined) return false;
    const request = { ...devices, models: [...(devices.models ?? []), ...models] };
    return node.offer.devices.filter((device) => matchesDevice(device, request)).length >= devices.count;
  }
}

function opening(obstacle: Obstacle, opened: Tally['alone']): Change {
  return { obstacle, nodes: opened.length, free: opened.filter(({ isFree }) => isFree).length };
}

function isNewer(a: string, b: string): boolean {
  return isVersionAtLeast(a, b) && !isVersionAtLeast(b, a);
}
