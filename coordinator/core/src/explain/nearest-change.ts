import { isContention, isShortage, rowOfShortage } from '@capacloud/protocol/capacity/dimensions';
import type { Device } from '@capacloud/protocol/capacity/resources';
import type { Obstacle } from '@capacloud/protocol/catalogue/obstacles';
import { readRequestedModel } from '@capacloud/protocol/job/device-classes';
import type { JobTerms } from '../contract/command.ts';
import type { ReadOnly } from '../read-only.ts';
import { isVersionAtLeast, matchesDevice } from '../scheduler/fit/feasibility.ts';
import { meets } from '../scheduler/fit/labels.ts';
import { rateOn } from '../slices/node/asks.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import { withoutWish } from './obstacles.ts';

/** Names that are added to a list of models or regions. */
const maxNames = 5;

/** The smallest change of one wish that opens a node, in the units of the terms. */
export interface Change {
  readonly obstacle: Obstacle;
  /** Of rates and sizes a number, of models and regions their names, of versions a version; absent where the wish has to go. */
  readonly to?: bigint | number | string | readonly string[];
  /** Where the job has a list of such wishes: which one. */
  readonly at?: number;
  /** Nodes that the change opens, and how many of them have room now. */
  readonly nodes: number;
  readonly free: number;
}

/** A node that nothing but one obstacle keeps a task from, and what passes; free where that is not there either. */
export interface Opened {
  readonly node: ReadOnly<NodeRecord>;
  readonly isFree: boolean;
}

/** Finds what has to change about a job so that nodes are open to it. */
export class NearestChange {
  readonly #terms: JobTerms;

  constructor(terms: JobTerms) {
    this.#terms = terms;
  }

  /** About the obstacle, which alone keeps a task from the nodes. */
  about(obstacle: Obstacle, alone: readonly Opened[]): readonly Change[] {
    const { resources } = this.#terms;
    const nearest = <T extends bigint | number | string>(
      of: (node: ReadOnly<NodeRecord>) => T | undefined,
      isCloser: (a: T, b: T) => boolean,
    ): readonly Change[] => nearestValue(obstacle, alone, of, isCloser);
    const more = (a: number, b: number): boolean => a > b;
    if (isContention(obstacle)) return [];
    if (isShortage(obstacle)) return nearest(({ offer }) => rowOfShortage[obstacle].offered(offer), more);
    switch (obstacle) {
      case 'price':
        return nearest(
          (node) => rateOn(node, this.#terms),
          (a, b) => a < b,
        );
      case 'min_duration':
        return nearest(
          ({ offer }) => offer.minRunMs,
          (a, b) => a < b,
        );
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
      case 'region':
        return [this.#withRegions(alone)];
      case 'label':
        return this.#withoutConstraints(alone);
      case 'gpu_vendor':
      case 'provider':
      case 'root':
      case 'gpu_share':
        return [opening(obstacle, alone)];
      // No one wish is to blame, or nothing that a job asks for.
      case 'gpu_fabric':
      case 'gpu_combination':
      case 'platform':
      case 'registry':
      case 'image_size':
      case 'node_silent':
      case 'node_closed':
      case 'node_isolated':
      case 'node_backing_off':
      case 'node_kept':
      case 'tried':
      case 'busy_gpu':
        return [];
    }
  }

  /** Devices of the node that meet every wish but the one that the obstacle is about. */
  #others(node: ReadOnly<NodeRecord>, obstacle: Obstacle): readonly Device[] {
    const { devices } = this.#terms.resources;
    if (devices === undefined) return [];
    const request = withoutWish(devices, obstacle);
    return node.offer.devices.filter((device) => matchesDevice(device, request));
  }

  /** The most that as many devices as are wanted all reach. */
  #atLeast<T>(
    node: ReadOnly<NodeRecord>,
    obstacle: Obstacle,
    of: (device: Device) => T | undefined,
    isMore: (a: T, b: T) => boolean,
  ): T | undefined {
    const values = this.#others(node, obstacle).flatMap((device) => of(device) ?? []);
    values.sort((a, b) => (isMore(a, b) ? -1 : isMore(b, a) ? 1 : 0));
    return values[(this.#terms.resources.devices?.count ?? 1) - 1];
  }

  /** The models that are wanted, and those that would open nodes. */
  #withModels(alone: readonly Opened[]): Change {
    const more = mostFrequent(alone, (node) => this.#others(node, 'gpu_model').map((device) => device.model));
    const opened = alone.filter(({ node }) => this.#holds(node, more));
    const wanted = this.#terms.resources.devices?.models ?? [];
    const to = [...wanted.map((each) => readRequestedModel(each).model), ...more];
    return { ...opening('gpu_model', opened), to };
  }

  /** Only dropping the wish opens nodes that do not say where they are. */
  #withRegions(alone: readonly Opened[]): Change {
    const more = mostFrequent(alone, ({ offer: { region } }) => (region === undefined ? [] : [region]));
    if (more.length === 0) return opening('region', alone);
    const opened = alone.filter(({ node: { offer } }) => more.includes(offer.region ?? ''));
    return { ...opening('region', opened), to: [...(this.#terms.regions ?? []), ...more] };
  }

  /** Each constraint that alone is not met; all of them where some nodes do not meet several. */
  #withoutConstraints(alone: readonly Opened[]): readonly Change[] {
    const { constraints = [] } = this.#terms;
    const unmet = alone.map((opened) => ({
      opened,
      positions: [...constraints.keys()].filter((at) => {
        const constraint = constraints[at];
        return constraint !== undefined && !meets(opened.node.offer, constraint);
      }),
    }));
    const changes: Change[] = [...constraints.keys()].flatMap((at) => {
      const opened = unmet.filter(({ positions }) => positions.length === 1 && positions[0] === at);
      return opened.length === 0
        ? []
        : [
            {
              ...opening(
                'label',
                opened.map((each) => each.opened),
              ),
              at,
            },
          ];
    });
    return unmet.some(({ positions }) => positions.length > 1)
      ? [...changes, opening('label', alone)]
      : changes;
  }

  /** Whether enough devices are of the models, or of those that are wanted already. */
  #holds(node: ReadOnly<NodeRecord>, models: readonly string[]): boolean {
    const { devices } = this.#terms.resources;
    if (devices === undefined) return false;
    const request = { ...devices, models: [...(devices.models ?? []), ...models] };
    return node.offer.devices.filter((device) => matchesDevice(device, request)).length >= devices.count;
  }
}

/** The best value that any of the nodes allows, free ones before others, and who allows it. */
function nearestValue<T extends bigint | number | string>(
  obstacle: Obstacle,
  alone: readonly Opened[],
  of: (node: ReadOnly<NodeRecord>) => T | undefined,
  isCloser: (a: T, b: T) => boolean,
): readonly Change[] {
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
  return [{ ...opening(obstacle, opened), to: limit }];
}

/** Names that the nodes have, those of the most nodes first. */
function mostFrequent(
  alone: readonly Opened[],
  namesOf: (node: ReadOnly<NodeRecord>) => readonly string[],
): readonly string[] {
  const counts = new Map<string, number>();
  for (const { node } of alone)
    for (const name of new Set(namesOf(node))) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts]
    .sort(([a, aCount], [b, bCount]) => bCount - aCount || (a < b ? -1 : 1))
    .slice(0, maxNames)
    .map(([name]) => name);
}

function opening(obstacle: Obstacle, opened: readonly Opened[]): Change {
  return { obstacle, nodes: opened.length, free: opened.filter(({ isFree }) => isFree).length };
}

export function isNewer(a: string, b: string): boolean {
  return isVersionAtLeast(a, b) && !isVersionAtLeast(b, a);
}
