import type { Obstacle } from '@capacloud/protocol/catalogue/obstacles';
import { type TaskReason, taskReasons } from '@capacloud/protocol/catalogue/reasons';
import type { JobId } from '@capacloud/protocol/ids';
import { formatNano } from '@capacloud/protocol/units';
import type { ReadOnly } from '../read-only.ts';
import type { ScheduleNotes } from '../scheduler/schedule-notes.ts';
import { storageObstacle } from '../slices/attempt/upload-hold.ts';
import { runsOnOf } from '../slices/job/misfits.ts';
import { optionsOf } from '../slices/job/options.ts';
import type { Job } from '../slices/job/record.ts';
import { rateOn } from '../slices/node/asks.ts';
import { isConnected } from '../slices/node/node-states.ts';
import type { State } from '../state.ts';
import { lastingOf, obstaclesOf } from './obstacles.ts';

export interface WaitingReason {
  readonly reason: Extract<
    TaskReason,
    | 'safe_mode'
    | 'job_isolated'
    | 'store_full'
    | 'quota_full'
    | 'no_nodes'
    | 'no_feasible_node'
    | 'price_too_low'
    | 'no_capacity'
    | 'backing_off'
    | 'image_wrong_platform'
    | 'registry_not_allowed'
    | 'image_too_large'
  >;
  /** One sentence with counts. */
  readonly message: string;
}

/** Why queued tasks of the job wait; undefined when none does. Looks at every node: for people, not for the hot path. */
export function waitingReason(
  state: ReadOnly<State>,
  notes: ScheduleNotes,
  jobId: JobId,
): WaitingReason | undefined {
  const job = state.jobs.get(jobId);
  if (job === undefined) return undefined;
  const queued = job.tasks.filter((task) => task.state === 'queued').length;
  if (queued === 0) return undefined;
  return reasonOffNodes(state, notes, job, queued) ?? reasonOnNodes(state, notes, job);
}

/** Why no node is looked at for the job. */
function reasonOffNodes(
  state: ReadOnly<State>,
  notes: ScheduleNotes,
  job: ReadOnly<Job>,
  queued: number,
): WaitingReason | undefined {
  if (job.ready === 0) {
    return { reason: 'backing_off', message: `${waits(queued)} for the next attempt.` };
  }
  if (notes.isPaused) return { reason: 'safe_mode', message: taskReasons.safe_mode.sentence };
  if (job.isIsolated)
    return { reason: 'job_isolated', message: `${waits(queued)}: ${taskReasons.job_isolated.sentence}` };
  const storage = storageObstacle(state, job);
  if (storage !== undefined) return { reason: storage, message: storageMessage(state, job, storage) };
  return undefined;
}

/** Why none of the nodes has taken the task so far. */
function reasonOnNodes(state: ReadOnly<State>, notes: ScheduleNotes, job: ReadOnly<Job>): WaitingReason {
  const options = optionsOf(job.terms);
  const misfits = new Map<string, number>();
  let refusing = 0;
  let small = 0;
  let connected = 0;
  let feasible = 0;
  let affordable = 0;
  let cheapest: bigint | undefined;
  for (const node of state.nodes.values()) {
    if (!isConnected(node.status)) continue;
    connected += 1;
    let isMisfit = false;
    let isRefused = false;
    let isSmall = false;
    const open = options.flatMap((option) => {
      const lasting = lastingOf(obstaclesOf(node, option, notes.keepings));
      isMisfit ||= isAllBut('platform', lasting);
      isRefused ||= isAllBut('registry', lasting);
      isSmall ||= isAllBut('image_size', lasting);
      if (lasting.some((obstacle) => obstacle !== 'price')) return [];
      const rate = rateOn(node, option);
      return [{ rate, isAffordable: lasting.length === 0 }];
    });
    if (isMisfit) misfits.set(node.offer.arch, (misfits.get(node.offer.arch) ?? 0) + 1);
    if (isRefused) refusing += 1;
    if (isSmall) small += 1;
    if (open.length === 0) continue;
    feasible += 1;
    if (open.some(({ isAffordable }) => isAffordable)) affordable += 1;
    for (const { rate } of open) if (cheapest === undefined || rate < cheapest) cheapest = rate;
  }
  if (connected === 0) return { reason: 'no_nodes', message: 'No node is connected.' };
  if (feasible === 0 && misfits.size > 0) return wrongPlatform(job.terms, misfits);
  if (feasible === 0 && refusing > 0) return refusedRegistry(refusing);
  if (feasible === 0 && small > 0) return imageTooLarge(small);
  if (feasible === 0 || cheapest === undefined) {
    return {
      reason: 'no_feasible_node',
      message: `None of ${connected} connected nodes takes work and could run a task of this job.`,
    };
  }
  if (affordable === 0) {
    return {
      reason: 'price_too_low',
      message: `${feasible} of ${connected} connected nodes could run a task; the cheapest asks ${formatNano(cheapest)} CAPA an hour, the ceiling is ${formatNano(job.terms.maxRateNano)}.`,
    };
  }
  const { preemptions, reservations } = notes;
  const reserved = reservations.current?.job === job ? reservations.current.nodes.size : 0;
  const kept = reserved + preemptions.nodesFor(job);
  const note = kept === 0 ? '' : ` Kept free for the job as tasks end there: ${kept}.`;
  return {
    reason: 'no_capacity',
    message: `${affordable} of ${connected} connected nodes could run a task at this price; ${waits(job.ready)} until one is free.${note}`,
  };
}

/** Also for a plan, whose job is not in the state. */
export function storageMessage(
  { accounts, fullHolds, held }: ReadOnly<State>,
  { consumer }: Pick<ReadOnly<Job>, 'consumer'>,
  reason: 'store_full' | 'quota_full',
): string {
  const own = accounts.get(consumer)?.heldUploads ?? { account: 0, store: 0 };
  if (reason === 'quota_full')
    return `The artifact storage of ${consumer} is used up: finished outputs of ${tasks(own.account)} wait for room, and new tasks wait for them.`;
  if (own.store > 0)
    return `The artifact store of the coordinator has no room: finished outputs of ${tasks(own.store)} of this account wait for it, and new tasks wait for them.`;
  return `The artifact store of the coordinator is full: finished outputs of ${tasks(fullHolds > 0 ? fullHolds : held.size)} wait for room, and new tasks with outputs wait for them.`;
}

function tasks(count: number): string {
  return count === 1 ? '1 task' : `${count} tasks`;
}

/** Nothing but this, and perhaps the price, keeps the task from a node. */
function isAllBut(obstacle: Obstacle, lasting: readonly Obstacle[]): boolean {
  return lasting.includes(obstacle) && lasting.every((each) => each === obstacle || each === 'price');
}

function refusedRegistry(nodes: number): WaitingReason {
  const count = nodes === 1 ? '1 node belongs' : `${nodes} nodes belong`;
  return {
    reason: 'registry_not_allowed',
    message: `${count} to owners who do not allow the registry of the image, and no other node could run a task of this job.`,
  };
}

function imageTooLarge(nodes: number): WaitingReason {
  const count = nodes === 1 ? '1 node belongs' : `${nodes} nodes belong`;
  return {
    reason: 'image_too_large',
    message: `${count} to owners who give too little room to images for that of the job, and no other node could run a task of it.`,
  };
}

/** Only nodes would do that the image is not made for; they are counted by architecture. */
function wrongPlatform(terms: ReadOnly<Job>['terms'], misfits: ReadonlyMap<string, number>): WaitingReason {
  const runsOn = runsOnOf(terms);
  const archs = [...misfits.keys()].sort();
  const made =
    runsOn === undefined
      ? `The image is not made for ${archs.join(' or ')}, as owners of such nodes say`
      : `The image runs on ${runsOn.join(' and ')} only`;
  const counts = archs.map((arch) => {
    const nodes = misfits.get(arch) ?? 0;
    return `${nodes} ${nodes === 1 ? 'node is' : 'nodes are'} ${arch}`;
  });
  return { reason: 'image_wrong_platform', message: `${made}; ${counts.join(', ')}.` };
}

function waits(tasks: number): string {
  return tasks === 1 ? '1 task waits' : `${tasks} tasks wait`;
}
