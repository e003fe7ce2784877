import { type Obstacle, obstacles } from '@capacloud/protocol/catalogue/obstacles';
import type { NodeId } from '@capacloud/protocol/ids';
import type { JobTerms } from '../contract/command.ts';
import type { ReadOnly } from '../read-only.ts';
import type { Keepings } from '../scheduler/keepings.ts';
import type { Task } from '../slices/attempt/record.ts';
import { optionsOf } from '../slices/job/options.ts';
import type { NodeRecord } from '../slices/node/record.ts';
import { type Change, NearestChange, type Opened } from './nearest-change.ts';
import { fewest, isAlone, lastingOf, obstaclesOf } from './obstacles.ts';

const maxExamples = 10;

/** How many nodes an obstacle keeps a task from. */
export interface ObstacleCount {
  readonly obstacle: Obstacle;
  readonly nodes: number;
  /** Those that nothing else keeps it from but what passes by itself. */
  readonly alone: number;
  /** Some of the nodes; those that nothing else keeps it from first. */
  readonly examples: readonly NodeId[];
}

interface Tally {
  nodes: number;
  readonly alone: NodeId[];
  readonly others: NodeId[];
  aloneCount: number;
}

/** Obstacles that stand in the way of one alternative of a job and not of another. */
function isOfAlternative(obstacle: Obstacle): boolean {
  return obstacle.startsWith('gpu_') || obstacle === 'price';
}

/** Why a task waits: what keeps it from each node, counted, and what would help. Nodes are shown one by one. */
export class Explanation {
  readonly #options: readonly JobTerms[];
  readonly #task: ReadOnly<Task> | undefined;
  readonly #keepings: Keepings;
  readonly #tallies = new Map<Obstacle, Tally>();
  /** Nodes that one obstacle alone keeps from the task, by the alternative that it is in the way of. */
  readonly #opened: readonly Map<Obstacle, Opened[]>[];
  /** Nodes that were shown; those that would do once free; those that would do now. */
  nodes = 0;
  suitable = 0;
  free = 0;

  constructor(terms: JobTerms, keepings: Keepings, task?: ReadOnly<Task>) {
    this.#keepings = keepings;
    this.#options = optionsOf(terms);
    this.#opened = this.#options.map(() => new Map());
    this.#task = task;
  }

  look(node: ReadOnly<NodeRecord>): void {
    if (node.status === 'lost' || node.status === 'gone') return;
    this.nodes += 1;
    const lists = this.#options.map((option) => obstaclesOf(node, option, this.#keepings, this.#task));
    const found = fewest(lists);
    const lasting = lastingOf(found);
    if (found.length === 0) this.free += 1;
    if (lasting.length === 0) this.suitable += 1;
    else this.#noteOpened(node, lists);
    for (const obstacle of found) {
      const tally = this.#tallies.get(obstacle) ?? { nodes: 0, alone: [], others: [], aloneCount: 0 };
      this.#tallies.set(obstacle, tally);
      tally.nodes += 1;
      const isOnly = isAlone(obstacle, found);
      if (isOnly) tally.aloneCount += 1;
      const examples = isOnly ? tally.alone : tally.others;
      if (examples.length < maxExamples) examples.push(node.id);
    }
  }

  /** What concerns all alternatives is noted once. */
  #noteOpened(node: ReadOnly<NodeRecord>, lists: readonly (readonly Obstacle[])[]): void {
    const noted = new Set<Obstacle>();
    for (const [alternative, found] of lists.entries()) {
      const [obstacle, ...others] = lastingOf(found);
      if (obstacle === undefined || others.length > 0 || noted.has(obstacle)) continue;
      if (!isOfAlternative(obstacle)) noted.add(obstacle);
      const isOwn = isOfAlternative(obstacle);
      const opened = this.#opened[isOwn ? alternative : 0];
      const nodes = opened?.get(obstacle) ?? [];
      opened?.set(obstacle, nodes);
      const isOnly = (list: readonly Obstacle[]): boolean => list.length === 1 && list[0] === obstacle;
      nodes.push({ node, isFree: isOwn ? isOnly(found) : lists.some(isOnly) });
    }
  }

  /** In the order of the catalogue. */
  counts(): readonly ObstacleCount[] {
    return obstacles.flatMap((obstacle) => {
      const tally = this.#tallies.get(obstacle);
      if (tally === undefined) return [];
      const examples = [...tally.alone, ...tally.others].slice(0, maxExamples);
      return [{ obstacle, nodes: tally.nodes, alone: tally.aloneCount, examples }];
    });
  }

  /** Each about one wish, the one that opens the most free nodes first. */
  changes(): readonly Change[] {
    const found: Change[] = [];
    const isOne = this.#options.length === 1;
    for (const obstacle of obstacles) {
      for (const [alternative, option] of this.#options.entries()) {
        const opened = this.#opened[alternative]?.get(obstacle) ?? [];
        if (opened.length === 0) continue;
        const isListed = !isOne && obstacle.startsWith('gpu_');
        for (const change of new NearestChange(option).about(obstacle, opened))
          found.push(isListed ? { ...change, at: alternative } : change);
      }
    }
    found.sort((a, b) => b.free - a.free || b.nodes - a.nodes);
    // Alternatives that cost the same ask for the same ceiling.
    const ceilings = found.filter(({ obstacle }) => obstacle === 'price');
    return found.filter(
      (change) => change.obstacle !== 'price' || ceilings.find(({ to }) => to === change.to) === change,
    );
  }
}
