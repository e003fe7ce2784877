import { isContention, isShortage, rowOfShortage } from '@capacloud/protocol/capacity/dimensions';
import { type Obstacle, obstacles } from '@capacloud/protocol/catalogue/obstacles';
import type { JobTerms } from '../contract/command.ts';
import type { ReadOnly } from '../read-only.ts';
import type { Keepings } from '../scheduler/keepings.ts';
import { optionsOf } from '../slices/job/options.ts';
import { rateOn } from '../slices/node/asks.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import { isNewer } from './nearest-change.ts';
import { fewest, isAlone, isPassing, obstaclesOf } from './obstacles.ts';

/** How far the owner may go with one change: the nearest step and some more. */
const maxSteps = 3;

/** How many waiting tasks an obstacle keeps from the node, and how many nothing else does but what passes. */
export interface TaskCount {
  readonly obstacle: Obstacle;
  readonly tasks: number;
  readonly alone: number;
}

/** The smallest change by the owner that lets more tasks come, and how many those are. */
export interface OwnerChange {
  readonly obstacle: Obstacle;
  /** Of prices thousandths of what is asked now, of sizes as in the offer, of CUDA a version; absent for yes or no. */
  readonly to?: number | string;
  readonly tasks: number;
}

interface Group {
  readonly terms: JobTerms;
  readonly tasks: number;
}

interface Tally {
  tasks: number;
  readonly alone: Group[];
}

/** Why a node gets no work: what keeps the tasks that wait from it, shown one shape after the other. */
export class NodeExplanation {
  readonly #node: ReadOnly<NodeRecord>;
  readonly #keepings: Keepings;
  readonly #tallies = new Map<Obstacle, Tally>();
  /** Tasks that were shown; those that would come once there is room; those that may come now. */
  tasks = 0;
  suitable = 0;
  free = 0;

  constructor(node: ReadOnly<NodeRecord>, keepings: Keepings) {
    this.#node = node;
    this.#keepings = keepings;
  }

  look(terms: JobTerms, tasks: number): void {
    const found = fewest(optionsOf(terms).map((option) => obstaclesOf(this.#node, option, this.#keepings)));
    this.tasks += tasks;
    if (found.length === 0) this.free += tasks;
    if (found.every(isPassing)) this.suitable += tasks;
    for (const obstacle of found) {
      const tally = this.#tallies.get(obstacle) ?? { tasks: 0, alone: [] };
      this.#tallies.set(obstacle, tally);
      tally.tasks += tasks;
      if (isAlone(obstacle, found)) tally.alone.push({ terms, tasks });
    }
  }

  /** In the order of the catalogue. */
  counts(): readonly TaskCount[] {
    return obstacles.flatMap((obstacle) => {
      const tally = this.#tallies.get(obstacle);
      return tally === undefined ? [] : [{ obstacle, tasks: tally.tasks, alone: sumOf(tally.alone) }];
    });
  }

  /** The one that lets the most tasks come first. */
  changes(): readonly OwnerChange[] {
    return obstacles
      .flatMap((obstacle) => {
        const alone = this.#tallies.get(obstacle)?.alone ?? [];
        return alone.length === 0 ? [] : this.#changesFor(obstacle, alone);
      })
      .sort((a, b) => b.tasks - a.tasks);
  }

  #changesFor(obstacle: Obstacle, alone: readonly Group[]): readonly OwnerChange[] {
    const { directive, offer } = this.#node;
    if (isContention(obstacle)) return [];
    if (isShortage(obstacle)) {
      const { taken } = rowOfShortage[obstacle];
      return steps(
        obstacle,
        alone,
        ({ resources }) => taken(resources),
        (a, b) => a < b,
      );
    }
    switch (obstacle) {
      case 'price': {
        const milliOf = (terms: JobTerms): number =>
          Number((terms.maxRateNano * 1000n) / rateOn(this.#node, terms));
        return steps(obstacle, alone, milliOf, (a, b) => a > b);
      }
      case 'min_duration':
        return steps(
          obstacle,
          alone,
          ({ runTimeoutMs }) => runTimeoutMs,
          (a, b) => a > b,
        );
      case 'gpu_cuda':
        return steps(
          obstacle,
          alone,
          ({ resources }) => resources.devices?.cuda ?? '',
          (a, b) => isNewer(b, a),
        );
      case 'region':
        return offer.region === undefined ? [{ obstacle, tasks: sumOf(alone) }] : [];
      case 'label':
      case 'root':
      case 'gpu_share':
      case 'gpu_fabric':
      case 'registry':
      case 'image_size':
      case 'node_silent':
        return [{ obstacle, tasks: sumOf(alone) }];
      case 'node_closed':
        // What the operator closed the owner cannot open.
        return directive === 'none' ? [{ obstacle, tasks: sumOf(alone) }] : [];
      // Another machine, or nothing that the owner decides.
      case 'node_isolated':
      case 'node_backing_off':
      case 'node_kept':
      case 'platform':
      case 'provider':
      case 'gpu_count':
      case 'gpu_vendor':
      case 'gpu_model':
      case 'gpu_memory':
      case 'gpu_compute_capability':
      case 'gpu_combination':
      case 'tried':
      case 'busy_gpu':
        return [];
    }
  }
}

/** Each value that tasks need, the nearest first, with all that it lets come. */
function steps<T extends number | string>(
  obstacle: Obstacle,
  alone: readonly Group[],
  valueOf: (terms: JobTerms) => T,
  isNearer: (a: T, b: T) => boolean,
): readonly OwnerChange[] {
  const byValue = new Map<T, number>();
  for (const { terms, tasks } of alone) {
    const value = valueOf(terms);
    byValue.set(value, (byValue.get(value) ?? 0) + tasks);
  }
  const values = [...byValue].sort(([a], [b]) => (isNearer(a, b) ? -1 : isNearer(b, a) ? 1 : 0));
  let sum = 0;
  return values.slice(0, maxSteps).map(([to, tasks]) => {
    sum += tasks;
    return { obstacle, to, tasks: sum };
  });
}

function sumOf(groups: readonly Group[]): number {
  return groups.reduce((sum, { tasks }) => sum + tasks, 0);
}
