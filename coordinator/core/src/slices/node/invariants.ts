import { offeredBy, subtract } from '@capacloud/protocol/capacity/capacity';
import { deviceMilli, requestOf } from '@capacloud/protocol/capacity/resources';
import { invariant, mustGet } from '../../assert.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import { isActive } from '../attempt/task-states.ts';
import { isOpen, takenBy } from './capacity.ts';
import { maxSilences, type NodeRecord } from './record.ts';

export function checkNodes(state: ReadOnly<State>): void {
  for (const node of state.nodes.values()) {
    checkNode(state, node);
    checkOccupied(state, node);
  }
  checkOwners(state);
}

function checkNode(state: ReadOnly<State>, node: ReadOnly<NodeRecord>): void {
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

function checkOccupied(state: ReadOnly<State>, node: ReadOnly<NodeRecord>): void {
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
}

/** How many attempts of each job are with whom follows from the nodes. */
function checkOwners(state: ReadOnly<State>): void {
  const owners = new Map<string, number>();
  let occupied = 0;
  for (const { occupied: attempts, provider } of state.nodes.values()) {
    occupied += attempts.size;
    for (const { job } of attempts.values())
      owners.set(`${job} ${provider}`, (owners.get(`${job} ${provider}`) ?? 0) + 1);
  }
  for (const job of state.jobs.values()) {
    occupied -= job.occupied;
    for (const [provider, count] of job.owners) {
      invariant(owners.get(`${job.id} ${provider}`) === count, `${job.id}: tasks with ${provider}`);
      owners.delete(`${job.id} ${provider}`);
    }
  }
  invariant(occupied === 0, 'attempts occupy nodes that do not know them');
  invariant(owners.size === 0, 'owners of nodes with tasks that no job counts');
}
