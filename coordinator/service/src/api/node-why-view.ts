import { setImmediate as nextTurn } from 'node:timers/promises';
import { NodeExplanation, type OwnerChange } from '@capacloud/core/explain/node-explanation';
import type { Keepings } from '@capacloud/core/scheduler/keepings';
import { isConnected } from '@capacloud/core/slices/node/node-states';
import { failuresInRow, shareOfFailures, silencesOf } from '@capacloud/core/slices/node/standing';
import type { Lane, NodeRecord, State } from '@capacloud/core/state';
import { exhausted } from '@capacloud/protocol/capacity/capacity';
import {
  type Contention,
  isContention,
  isShortage,
  rowOf,
  rowOfShortage,
} from '@capacloud/protocol/capacity/dimensions';
import { type Obstacle, obstacleCatalogue } from '@capacloud/protocol/catalogue/obstacles';
import type { NodeWhy } from '@capacloud/protocol/routes/node-why';
import { formatDuration } from '@capacloud/protocol/units';
import type { Sequencer } from '../ports/sequencer.ts';
import { timeText } from './views.ts';

/** Kinds of tasks that are looked at: as many as say how a node stands in the market. */
export const maxShapes = 2000;
/** Others have their turn after so many: some milliseconds. */
const shapesPerTurn = 100;

interface Question {
  readonly at: number;
  readonly isOwner: boolean;
  readonly signal: AbortSignal;
}

/** Looks at every kind of task that waits, for people and not for the hot path. */
export async function nodeWhyView(
  { notes, state }: Pick<Sequencer, 'notes' | 'state'>,
  node: NodeRecord,
  { at, isOwner, signal }: Question,
): Promise<NodeWhy> {
  const { cause, id, standing, status, statusSince, tries } = node;
  const closedBy = closuresOf(node, notes.keepings);
  const { of, failed } = shareOfFailures(standing);
  const queue = isOwner
    ? await queueView(state, new NodeExplanation(node, notes.keepings), signal)
    : undefined;
  return {
    node: id,
    status,
    cause,
    since: timeText(statusSince),
    takes_work: closedBy.length === 0,
    message: messageOf(node, closedBy, queue),
    closed_by: closedBy,
    ...(node.isResting ? { backing_off_until: timeText(standing.restUntil) } : {}),
    reliability: {
      attempts: of,
      failed,
      failed_in_row: failuresInRow(standing),
      silences: silencesOf(node, state.ruleset, at).length,
      tries,
    },
    ...(queue === undefined ? {} : { queue }),
  };
}

type Closure =
  | Contention
  | Extract<Obstacle, 'node_silent' | 'node_isolated' | 'node_closed' | 'node_backing_off' | 'node_kept'>;

/** What keeps every task away. */
function closuresOf(node: NodeRecord, keepings: Keepings): Closure[] {
  const { accepting, free, isResting, status } = node;
  const closures: readonly (readonly [Closure, boolean])[] = [
    ['node_silent', !isConnected(status)],
    ['node_isolated', node.isIsolated],
    ['node_closed', isConnected(status) && (status !== 'ready' || !accepting)],
    ['node_backing_off', isResting],
    ...exhausted(free).map((dimension) => [rowOf(dimension).contention.code, true] as const),
    ['node_kept', keepings.of(node) !== undefined],
  ];
  return closures.flatMap(([obstacle, stands]) => (stands ? [obstacle] : []));
}

function messageOf(node: NodeRecord, [closure]: readonly Closure[], queue: NodeWhy['queue']): string {
  const { directive, standing } = node;
  if (closure === undefined) return openMessage(queue);
  if (isContention(closure)) return 'What it offers is in use.';
  switch (closure) {
    case 'node_silent':
      return 'The node is not connected: start its agent, or see why it cannot reach the coordinator.';
    case 'node_isolated':
      return `The books of the coordinator broke over it, and nothing is placed there. ${obstacleCatalogue.node_isolated.remedy}`;
    case 'node_closed':
      return directive === 'none'
        ? 'Its owner takes no new work at present.'
        : `The operator has told it to ${directive}.`;
    case 'node_backing_off':
      return `${failuresInRow(standing)} attempts in a row ended by its own fault: it gets new work at ${timeText(standing.restUntil)}. ${obstacleCatalogue.node_backing_off.remedy}`;
    case 'node_kept':
      return 'It is kept free for a job that has waited long and needs much at once; meanwhile it takes what is over in time.';
  }
}

function openMessage(queue: NodeWhy['queue']): string {
  if (queue === undefined) return 'It takes work.';
  if (queue.tasks === 0) return 'It takes work, and no task waits.';
  if (queue.suitable === 0) return 'It takes work, and none of the tasks that wait suits it.';
  return queue.free === 0
    ? 'It takes work; tasks that suit it wait for room.'
    : 'It takes work, and tasks that suit it wait: they are placed shortly, here or where it is better for them.';
}

function* lanesOf({ waiting }: State): Generator<Lane, void, undefined> {
  for (const { byShape } of waiting.values()) yield* byShape.values();
}

async function queueView(
  state: State,
  explanation: NodeExplanation,
  signal: AbortSignal,
): Promise<NodeWhy['queue']> {
  let looked = 0;
  let isComplete = true;
  for (const { jobs } of lanesOf(state)) {
    if (looked === maxShapes) {
      isComplete = false;
      break;
    }
    const [first] = jobs;
    if (first !== undefined)
      explanation.look(
        first.terms,
        jobs.reduce((sum, { isStopped, ready }) => (isStopped ? sum : sum + ready), 0),
      );
    looked += 1;
    if (looked % shapesPerTurn === 0) await nextTurn(undefined, { signal });
  }
  const { free, suitable, tasks } = explanation;
  return {
    tasks,
    suitable,
    free,
    complete: isComplete,
    obstacles: explanation.counts().map(({ obstacle: code, tasks: kept, alone }) => ({
      code,
      message: `${kept} of ${tasks} waiting tasks are kept away: such nodes ${obstacleCatalogue[code].sentence}.`,
      tasks: kept,
      alone,
    })),
    changes: explanation.changes().map((change) => ({
      code: change.obstacle,
      tasks: change.tasks,
      message: `${actOf(change)}: ${change.tasks} ${change.tasks === 1 ? 'task' : 'tasks'} more`,
    })),
  };
}

/** What the owner does about it. */
function actOf({ obstacle, to }: OwnerChange): string {
  if (isContention(obstacle)) return 'nothing to change';
  if (isShortage(obstacle)) return `offer at least ${rowOfShortage[obstacle].shortage.inWords(Number(to))}`;
  switch (obstacle) {
    case 'price':
      return `lower the prices to ${Number(to) / 10} % of what they are`;
    case 'min_duration':
      return `take tasks that may run for ${formatDuration(Number(to))}`;
    case 'gpu_cuda':
      return `install a driver for CUDA ${to}`;
    case 'region':
      return 'say in which region the node is';
    case 'label':
      return 'give the node the labels that jobs ask for, where they are true';
    case 'image_size':
      return 'give more room to images (setting resources.images)';
    case 'registry':
      return 'allow the registries of their images (setting registries)';
    case 'root':
      return 'allow containers that run as root';
    case 'gpu_share':
      return 'let tasks share a GPU';
    case 'gpu_fabric':
      return 'repair the NVLink of its GPUs';
    case 'node_silent':
      return 'connect the node';
    case 'node_closed':
      return 'take new work again';
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
      return 'nothing to change';
  }
}
