import {
  add,
  type Capacity,
  fits,
  isOpenToTasks,
  keptForOutputs,
  loadOf,
  offeredBy,
  subtract,
} from '@capacloud/protocol/capacity/capacity';
import { deviceMilli, requestOf } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import { broken, mustGet } from '../../assert.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import type { Amounts } from '../account/record.ts';
import type { Occupancy } from '../attempt/occupancy.ts';
import type { Job } from '../job/record.ts';
import { joinAskClass } from './asks.ts';
import type { NodeRecord } from './record.ts';

/** What an occupancy takes of the node. */
export function takenBy(
  { need, terms }: Pick<ReadOnly<Job>, 'need' | 'terms'>,
  { isHeld }: Occupancy,
): Capacity {
  return isHeld === true ? keptForOutputs(terms.resources) : need;
}

/** A task more that runs by the alternative, or less where `times` is -1. */
export function addUse(
  use: Amounts,
  { need, terms }: ReadOnly<Job>,
  alternative: number,
  times: 1 | -1,
): void {
  const devices = requestOf(terms.resources, alternative);
  if (times === 1) add(use.capacity, need);
  else subtract(use.capacity, need);
  use.deviceMilli += times * (devices?.count ?? 0) * deviceMilli(devices);
}

/** At placement: the attempt takes its share, and the offer must have room for it. */
export function occupy(state: State, node: NodeRecord, job: Job, occupancy: Occupancy): void {
  if (node.occupied.has(occupancy.task)) broken(`${node.id} still holds an attempt of ${occupancy.task}`);
  // ROOM-1
  if (!fits(node.free, job.need)) broken(`${node.id} has no room for ${occupancy.task}`);
  restore(state, node, job, occupancy);
  refreshOpen(state, node);
}

/** As occupy, for what a snapshot says is there. */
export function restore(state: State, node: NodeRecord, job: Job, occupancy: Occupancy): void {
  node.occupied.set(occupancy.task, occupancy);
  job.occupied += 1;
  countOwner(job, node.provider, 1);
  subtract(node.free, takenBy(job, occupancy));
  const { alternative } = occupancy;
  if (occupancy.isHeld !== true)
    addUse(mustGet(state.accounts, job.consumer, 'account').use, job, alternative, 1);
  const milli = deviceMilli(requestOf(job.terms.resources, alternative));
  for (const device of occupancy.devices) {
    const used = (node.deviceUse.get(device) ?? 0) + milli;
    // ROOM-2
    if (used > 1000) broken(`${device} of ${node.id} is taken twice`);
    node.deviceUse.set(device, used);
  }
}

export function vacate(
  state: State,
  node: NodeRecord,
  job: Job,
  attempt: number,
  task: Occupancy['task'],
): void {
  const occupancy = mustGet(node.occupied, task, 'occupancy');
  if (occupancy.attempt !== attempt) broken(`${node.id} holds another attempt of ${task}`);
  node.occupied.delete(task);
  job.occupied -= 1;
  countOwner(job, node.provider, -1);
  giveUp(state, node, job, occupancy);
  refreshOpen(state, node);
  if (node.occupied.size === 0) state.feed.idled.push(node.row);
  if (isOpen(node)) state.feed.arrivals += 1;
}

function giveUp(state: State, node: NodeRecord, job: Job, occupancy: Occupancy): void {
  add(node.free, takenBy(job, occupancy));
  const { alternative } = occupancy;
  if (occupancy.isHeld !== true)
    addUse(mustGet(state.accounts, job.consumer, 'account').use, job, alternative, -1);
  const milli = deviceMilli(requestOf(job.terms.resources, alternative));
  for (const device of occupancy.devices) {
    const used = (node.deviceUse.get(device) ?? 0) - milli;
    if (used > 0) node.deviceUse.set(device, used);
    else node.deviceUse.delete(device);
  }
}

/** The attempt has nothing of the node any more but the disk that its outputs lie on. */
export function keepDiskOnly(state: State, node: NodeRecord, job: Job, task: Occupancy['task']): void {
  const occupancy = mustGet(node.occupied, task, 'occupancy');
  giveUp(state, node, job, occupancy);
  const held: Occupancy = { ...occupancy, devices: [], isHeld: true };
  // In its place: decisions follow the order of assignment.
  node.occupied.set(task, held);
  // guard: the disk stays taken for want of room
  subtract(node.free, takenBy(job, held));
  refreshOpen(state, node);
  if (isOpen(node)) state.feed.arrivals += 1;
}

function countOwner({ owners }: Job, provider: AccountId, times: 1 | -1): void {
  const count = (owners.get(provider) ?? 0) + times;
  if (count > 0) owners.set(provider, count);
  else owners.delete(provider);
}

/** The node has another owner; what it holds does not change. */
export function changeOwner(state: State, node: NodeRecord, provider: AccountId): void {
  if (node.provider === provider) return;
  for (const { job: id } of node.occupied.values()) {
    const job = mustGet(state.jobs, id, 'job');
    countOwner(job, node.provider, -1);
    countOwner(job, provider, 1);
  }
  node.provider = provider;
}

/** After a change of offer: what is free follows from the offer and what is occupied. */
export function recount(state: State, node: NodeRecord): void {
  node.free = offeredBy(node.offer);
  for (const occupancy of node.occupied.values())
    subtract(node.free, takenBy(mustGet(state.jobs, occupancy.job, 'job'), occupancy));
  joinAskClass(state, node);
  refreshOpen(state, node);
  if (isOpen(node)) state.feed.arrivals += 1;
}

/** Takes work and has something of everything left that each task needs. */
export function isOpen(node: ReadOnly<NodeRecord>): boolean {
  return (
    // guard: place on ready nodes only
    node.status === 'ready' &&
    node.accepting &&
    // guard: pause a node that fails in a row
    !node.isResting &&
    !node.isIsolated &&
    isOpenToTasks(node.free)
  );
}

/** Keeps the index of open nodes. */
export function refreshOpen(state: State, node: NodeRecord): void {
  node.load = loadOf(node.offer, node.free);
  state.feed.noteNode(node);
  if (isOpen(node)) state.openNodes.add(node);
  else state.openNodes.delete(node);
}
