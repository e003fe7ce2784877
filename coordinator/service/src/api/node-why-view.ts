import { isContention, isShortage, rowOfShortage } from '@capacloud/protocol/capacity/dimensions';
import { obstacleCatalogue } from '@capacloud/protocol/catalogue/obstacles';
import type { NodeWhy } from '@capacloud/protocol/routes/node-why';
import { formatDuration } from '@capacloud/protocol/units';
import type { NodeClosure, NodeExplanation, NodeQueue, OwnerChange } from '../ports/explanations.ts';
import { timeText } from './views.ts';

/** Why the node gets work or none. */
export function nodeWhyView(node: NodeExplanation): NodeWhy {
  const { cause, closedBy, id, isResting, queue, reliability, restUntil, status, statusSince } = node;
  return {
    node: id,
    status,
    cause,
    since: timeText(statusSince),
    takes_work: closedBy.length === 0,
    message: messageOf(node),
    closed_by: [...closedBy],
    ...(isResting ? { backing_off_until: timeText(restUntil) } : {}),
    reliability: {
      attempts: reliability.attempts,
      failed: reliability.failed,
      failed_in_row: reliability.failedInRow,
      silences: reliability.silences,
      tries: reliability.tries,
    },
    ...(queue === undefined ? {} : { queue: queueView(queue) }),
  };
}

function messageOf({ closedBy, directive, queue, reliability, restUntil }: NodeExplanation): string {
  const closure: NodeClosure | undefined = closedBy[0];
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
      return `${reliability.failedInRow} attempts in a row ended by its own fault: it gets new work at ${timeText(restUntil)}. ${obstacleCatalogue.node_backing_off.remedy}`;
    case 'node_kept':
      return 'It is kept free for a job that has waited long and needs much at once; meanwhile it takes what is over in time.';
  }
}

function openMessage(queue: NodeQueue | undefined): string {
  if (queue === undefined) return 'It takes work.';
  if (queue.tasks === 0) return 'It takes work, and no task waits.';
  if (queue.suitable === 0) return 'It takes work, and none of the tasks that wait suits it.';
  return queue.free === 0
    ? 'It takes work; tasks that suit it wait for room.'
    : 'It takes work, and tasks that suit it wait: they are placed shortly, here or where it is better for them.';
}

function queueView({
  changes,
  free,
  isComplete,
  obstacles,
  suitable,
  tasks,
}: NodeQueue): NonNullable<NodeWhy['queue']> {
  return {
    tasks,
    suitable,
    free,
    complete: isComplete,
    obstacles: obstacles.map(({ obstacle: code, tasks: kept, alone }) => ({
      code,
      message: `${kept} of ${tasks} waiting tasks are kept away: such nodes ${obstacleCatalogue[code].sentence}.`,
      tasks: kept,
      alone,
    })),
    changes: changes.map((change) => ({
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
