import { copyOf, needOf, offeredBy, subtract } from '@capacloud/protocol/capacity/capacity';
import { deviceMilli, requestOf } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import { invariant, mustGet } from './assert.ts';
import type { Amounts } from './slices/account/record.ts';
import { stopsLeft } from './slices/account/stops-owed.ts';
import { stageDeadline } from './slices/attempt/stage-clock.ts';
import { isActive, isTerminal } from './slices/attempt/task-states.ts';
import { hasQueueClock, hasTurnBefore, isReady } from './slices/job/queue.ts';
import type { ConsumerQueue, Job } from './slices/job/record.ts';
import { addUse, isOpen, takenBy } from './slices/node/capacity.ts';
import { maxSilences, type NodeRecord } from './slices/node/record.ts';
import { imageOf } from './slices/node/standing.ts';
import type { State } from './state.ts';

/** Everything that must hold between two events, recomputed from nothing; O(state). For tests and audits. */
export function checkInvariants(state: State): void {
  checkMoney(state);
  for (const job of state.jobs.values()) checkJob(state, job);
  for (const node of state.nodes.values()) checkNode(state, node);
  checkUse(state);
  checkIndexes(state);
}

function checkMoney(state: State): void {
  const { custody, emission, fees, holds, penalties } = state.house;
  let sumNano = custody + emission + fees + holds + penalties;
  const live = new Map<string, number>();
  let openNano = 0n;
  for (const job of state.jobs.values()) {
    let held = 0;
    for (const task of job.tasks) if (task.hold === 'held') held += 1;
    openNano += job.terms.holdNano * BigInt(held);
    live.set(job.consumer, (live.get(job.consumer) ?? 0) + job.live);
  }
  for (const account of state.accounts.values()) {
    invariant(account.availableNano >= 0n, `${account.id} is below zero`);
    invariant(account.stopsOwed >= 0 && stopsLeft(account) >= 0, `${account.id}: attempts stopped for it`);
    invariant(account.liveTasks === (live.get(account.id) ?? 0), `${account.id}: live tasks`);
    sumNano += account.availableNano;
  }
  invariant(sumNano === 0n, 'the ledger does not sum to zero');
  invariant(holds === openNano && state.openHoldsNano === openNano, 'holds differ from the open holds');
  invariant(fees >= 0n && penalties >= 0n, 'a house account is below zero');
}

function checkJob(state: State, job: Job): void {
  const need = needOf(job.terms.resources);
  invariant(
    need.every((amount, place) => amount === job.need[place]),
    `${job.id}: need`,
  );
  const counts = { live: 0, succeeded: 0, failed: 0, cancelled: 0, expired: 0, untried: 0, ready: 0 };
  for (const task of job.tasks) {
    invariant(state.tasks.get(task.id) === task, `${task.id} is not indexed`);
    invariant(
      (task.hold === 'held') === !isTerminal(task.state),
      `${task.id}: ${task.state} and ${task.hold}`,
    );
    if (task.state === 'queued' || isActive(task.state)) counts.live += 1;
    if (task.state === 'queued' && hasQueueClock(job, task)) counts.untried += 1;
    if (isReady(task)) {
      counts.ready += 1;
      invariant(task.index >= job.firstReady, `${task.id} is before the first ready task`);
    }
    if (
      task.state === 'succeeded' ||
      task.state === 'failed' ||
      task.state === 'cancelled' ||
      task.state === 'expired'
    ) {
      counts[task.state] += 1;
    }
    if (isActive(task.state)) {
      const node = task.node === undefined ? undefined : state.nodes.get(task.node);
      invariant(node?.occupied.get(task.id)?.attempt === task.attempt, `${task.id} does not occupy its node`);
      invariant(task.dueAt === stageDeadline(state.ruleset, job, task), `${task.id}: clock`);
    }
  }
  invariant(
    counts.live === job.live &&
      counts.succeeded === job.succeeded &&
      counts.failed === job.failed &&
      counts.cancelled === job.cancelledTasks &&
      counts.expired === job.expired &&
      counts.untried === job.untried &&
      counts.ready === job.ready,
    `${job.id}: counts`,
  );
  const isWhole = job.terms.gang !== true || job.ready === 0 || job.ready === job.live;
  invariant(isWhole, `${job.id}: a part of a gang waits`);
  const isStopped = job.submittedAt < (state.images.get(imageOf(job))?.until ?? 0);
  invariant(job.isStopped === isStopped && state.stopped.has(job) === isStopped, `${job.id}: stopped`);
  invariant(job.isIsolated === state.isolated.has(job.id), `${job.id}: isolated`);
  const queued = state.waiting.get(job.consumer)?.byShape.get(job.shape)?.jobs.includes(job) ?? false;
  invariant(queued === job.ready > 0, `${job.id}: queue`);
}

function checkNode(state: State, node: NodeRecord): void {
  const free = offeredBy(node.offer);
  const deviceUse = new Map<string, number>();
  for (const occupancy of node.occupied.values()) {
    const job = mustGet(state.jobs, occupancy.job, 'job');
    const task = mustGet(state.tasks, occupancy.task, 'task');
    const isCurrent = task.attempt === occupancy.attempt && isActive(task.state);
    invariant(!isCurrent || task.alternative === occupancy.alternative, `${task.id}: alternative`);
    invariant(!isCurrent || (occupancy.isHeld === true) === task.heldAt > 0, `${task.id}: held`);
    subtract(free, takenBy(job, occupancy));
    if (occupancy.isHeld === true) continue;
    for (const device of occupancy.devices) {
      const milli = deviceMilli(requestOf(job.terms.resources, occupancy.alternative));
      deviceUse.set(device, (deviceUse.get(device) ?? 0) + milli);
    }
  }
  const isCounted = free.every((amount, place) => amount === node.free[place]);
  invariant(isCounted, `${node.id}: free capacity`);
  invariant(deviceUse.size === node.deviceUse.size, `${node.id}: devices in use`);
  for (const [device, milli] of deviceUse)
    invariant(milli <= 1000 && node.deviceUse.get(device) === milli, `${node.id}: use of ${device}`);
  invariant(node.isIsolated === state.isolated.has(node.id), `${node.id}: isolated`);
  invariant(state.openNodes.has(node) === isOpen(node), `${node.id}: index of open nodes`);
  invariant(state.unproven.has(node) !== node.isProven, `${node.id}: index of unproven nodes`);
  invariant(state.feed.nodes[node.row] === node, `${node.id}: its row in the feed`);
  const { endings, failures, held, lastGood, restUntil, silences } = node.standing;
  invariant(lastGood <= endings && failures.every(({ nth }) => nth <= endings), `${node.id}: endings`);
  invariant(failures.length <= 32 && silences.length <= maxSilences, `${node.id}: its standing grows`);
  invariant(held.length <= node.offer.devices.length, `${node.id}: devices that it does not have`);
  invariant(!node.isResting || restUntil > 0, `${node.id} rests for no reason`);
  const empty = node.status === 'lost' || node.status === 'gone';
  invariant(!empty || node.occupied.size === 0, `${node.id} is ${node.status} with attempts`);
}

function checkOwners(state: State): void {
  const owners = new Map<string, number>();
  for (const { occupied, provider } of state.nodes.values())
    for (const { job } of occupied.values())
      owners.set(`${job} ${provider}`, (owners.get(`${job} ${provider}`) ?? 0) + 1);
  for (const job of state.jobs.values())
    for (const [provider, count] of job.owners) {
      invariant(owners.get(`${job.id} ${provider}`) === count, `${job.id}: tasks with ${provider}`);
      owners.delete(`${job.id} ${provider}`);
    }
  invariant(owners.size === 0, 'owners of nodes with tasks that no job counts');
}

function checkIndexes(state: State): void {
  checkOwners(state);
  let interruptible = 0;
  let tasks = 0;
  let occupied = 0;
  let active = 0;
  let backing = 0;
  let untried = 0;
  for (const job of state.jobs.values()) {
    tasks += job.tasks.length;
    occupied += job.occupied;
    if (job.untried > 0) untried += 1;
    for (const task of job.tasks) {
      if (isActive(task.state)) active += 1;
      if (task.interruptible) {
        interruptible += 1;
        invariant(isActive(task.state) && state.interruptible.has(task), `${task.id}: interruptible`);
        invariant(job.terms.interruptible === true, `${task.id} may not be interrupted`);
      }
      if (task.state === 'queued' && !isReady(task)) backing += 1;
    }
  }
  for (const node of state.nodes.values()) occupied -= node.occupied.size;
  invariant(tasks === state.tasks.size, 'tasks without a job');
  invariant(occupied === 0, 'attempts occupy nodes that do not know them');
  invariant(active === state.stageClocks.size, 'stage clocks');
  invariant(backing === state.backoffs.size, 'backoffs');
  invariant(interruptible === state.interruptible.size, 'interruptible attempts');
  invariant(untried === state.queueClocks.size, 'queue clocks');
  for (const queue of state.waiting.values()) checkQueue(queue);
  checkHolds(state);
}

function checkHolds(state: State): void {
  const counts = new Map<string, number>();
  let full = 0;
  let held = 0;
  for (const task of state.tasks.values()) {
    if (task.held === undefined) continue;
    held += 1;
    if (task.held.full === true) full += 1;
    invariant(task.state === 'uploading' && task.heldAt > 0 && state.held.has(task), `${task.id} is held`);
    const key = `${mustGet(state.jobs, task.job, 'job').consumer} ${task.held.cause}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  invariant(held === state.held.size && full === state.fullHolds, 'held uploads');
  for (const { heldUploads, id } of state.accounts.values())
    for (const cause of ['account', 'store'] as const)
      invariant(heldUploads[cause] === (counts.get(`${id} ${cause}`) ?? 0), `${id}: held uploads`);
}

function checkQueue({ account, byShape, lanes }: ConsumerQueue): void {
  invariant(lanes.length > 0 && lanes.length === byShape.size, 'an empty queue is kept');
  const firsts = lanes.flatMap(({ jobs }) => jobs[0] ?? []);
  invariant(inTurn(firsts), 'lanes are out of order');
  for (const lane of lanes) {
    invariant(lane.jobs.length > 0 && byShape.get(lane.shape) === lane, 'an empty lane is kept');
    invariant(inTurn(lane.jobs), 'a lane is out of order');
    for (const job of lane.jobs)
      invariant(
        job.shape === lane.shape && job.consumer === account.id,
        'a job waits in the queue of another',
      );
  }
}

function inTurn(jobs: readonly Job[]): boolean {
  return jobs.every((job, i) => {
    const before = jobs[i - 1];
    return before === undefined || hasTurnBefore(before, job);
  });
}

/** What consumers use follows from what occupies nodes. */
function checkUse(state: State): void {
  const left = new Map<AccountId, Amounts>();
  for (const { id, use } of state.accounts.values()) left.set(id, { ...use, capacity: copyOf(use.capacity) });
  for (const { occupied } of state.nodes.values()) {
    for (const { alternative, isHeld, job: id } of occupied.values()) {
      if (isHeld === true) continue;
      const job = mustGet(state.jobs, id, 'job');
      addUse(mustGet(left, job.consumer, 'account'), job, alternative, -1);
    }
  }
  for (const [id, { capacity, deviceMilli }] of left)
    invariant(deviceMilli === 0 && capacity.every((amount) => amount === 0), `${id}: use`);
}
