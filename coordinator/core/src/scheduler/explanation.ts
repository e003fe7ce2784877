import type { NodeId } from '@capacloud/protocol/ids';
import { type Obstacle, obstacles } from '@capacloud/protocol/obstacles';
import type { JobTerms } from '../command.ts';
import type { NodeRecord, Task } from '../state.ts';
import { type Change, NearestChange, type Opened } from './nearest-change.ts';
import { isPassing, obstaclesOf } from './obstacles.ts';

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
  readonly alone: Opened[];
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
    const nearest = new NearestChange(this.#terms);
    for (const obstacle of obstacles) {
      const alone = this.#tallies.get(obstacle)?.alone ?? [];
      if (alone.length > 0 && !isPassing(obstacle)) found.push(...nearest.about(obstacle, alone));
    }
    return found.sort((a, b) => b.free - a.free || b.nodes - a.nodes);
  }
}
