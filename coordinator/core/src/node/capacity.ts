import type { Offer, Resources } from '@capacloud/protocol/capacity/resources';
import { deviceMilli, resourcesBy } from '@capacloud/protocol/capacity/resources';
import type { AccountId } from '@capacloud/protocol/ids';
import { broken, mustGet } from '../assert.ts';
import type { Occupancy } from '../occupancy.ts';
import type { Amounts, Job, NodeRecord, State } from '../state.ts';
import { joinAskClass } from './asks.ts';

export interface Free {
  freeSlots: number;
  freeCpuMilli: number;
  freeMemoryBytes: number;
  freeDiskBytes: number;
}

/** Share of the fullest dimension, 0 to 1 (above 1 when an offer shrank under running attempts). */
export function loadOf(offer: Offer, free: Free): number {
  return Math.max(
    1 - free.freeSlots / offer.slots,
    offer.cpuMilli === 0 ? 1 : 1 - free.freeCpuMilli / offer.cpuMilli,
    offer.memoryBytes === 0 ? 1 : 1 - free.freeMemoryBytes / offer.memoryBytes,
  );
}

export function takeFree(free: Free, resources: Resources): void {
  free.freeSlots -= 1;
  free.freeCpuMilli -= resources.cpuMilli;
  free.freeMemoryBytes -= resources.memoryBytes;
  free.freeDiskBytes -= resources.diskBytes;
}

export function giveFree(free: Free, resources: Resources): void {
  free.freeSlots += 1;
  free.freeCpuMilli += resources.cpuMilli;
  free.freeMemoryBytes += resources.memoryBytes;
  free.freeDiskBytes += resources.diskBytes;
}

/** What the occupancy takes comes free. */
export function giveOccupied(free: Free, { terms }: Pick<Job, 'terms'>, { isHeld }: Occupancy): void {
  if (isHeld === true) free.freeDiskBytes += terms.resources.diskBytes;
  else giveFree(free, terms.resources);
}

function takeOccupied(free: Free, { terms }: Pick<Job, 'terms'>, { isHeld }: Occupancy): void {
  if (isHeld === true) free.freeDiskBytes -= terms.resources.diskBytes;
  else takeFree(free, terms.resources);
}

/** A task more, or less where `times` is -1. */
export function addUse(use: Amounts, { cpuMilli, devices, memoryBytes }: Resources, times: 1 | -1): void {
  use.cpuMilli += times * cpuMilli;
  use.memoryBytes += times * memoryBytes;
  use.deviceMilli += times * (devices?.count ?? 0) * deviceMilli(devices);
}

export function fits(free: Free, resources: Resources): boolean {
  return (
    free.freeSlots > 0 &&
    free.freeCpuMilli >= resources.cpuMilli &&
    free.freeMemoryBytes >= resources.memoryBytes &&
    free.freeDiskBytes >= resources.diskBytes
  );
}

/** At placement: the attempt takes its share, and the offer must have room for it. */
export function occupy(state: State, node: NodeRecord, job: Job, occupancy: Occupancy): void {
  const { resources } = job.terms;
  if (node.occupied.has(occupancy.task)) broken(`${node.id} still holds an attempt of ${occupancy.task}`);
  if (!fits(node, resources)) broken(`${node.id} has no room for ${occupancy.task}`);
  restore(state, node, job, occupancy);
  refreshOpen(state, node);
}

/** As occupy, for what a snapshot says is there. */
export function restore(state: State, node: NodeRecord, job: Job, occupancy: Occupancy): void {
  node.occupied.set(occupancy.task, occupancy);
  job.occupied += 1;
  countOwner(job, node.provider, 1);
  takeOccupied(node, job, occupancy);
  const resources = resourcesBy(job.terms.resources, occupancy.alternative);
  if (occupancy.isHeld !== true) addUse(mustGet(state.accounts, job.consumer, 'account').use, resources, 1);
  const milli = deviceMilli(resources.devices);
  for (const device of occupancy.devices) {
    const used = (node.deviceUse.get(device) ?? 0) + milli;
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
  if (isOpen(node)) state.schedule.changed = true;
}

function giveUp(state: State, node: NodeRecord, job: Job, occupancy: Occupancy): void {
  giveOccupied(node, job, occupancy);
  const resources = resourcesBy(job.terms.resources, occupancy.alternative);
  if (occupancy.isHeld !== true) addUse(mustGet(state.accounts, job.consumer, 'account').use, resources, -1);
  const milli = deviceMilli(resources.devices);
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
  takeOccupied(node, job, held);
  refreshOpen(state, node);
  if (isOpen(node)) state.schedule.changed = true;
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
  node.freeSlots = node.offer.slots;
  node.freeCpuMilli = node.offer.cpuMilli;
  node.freeMemoryBytes = node.offer.memoryBytes;
  node.freeDiskBytes = node.offer.diskBytes;
  for (const occupancy of node.occupied.values())
    takeOccupied(node, mustGet(state.jobs, occupancy.job, 'job'), occupancy);
  joinAskClass(state, node);
  refreshOpen(state, node);
  if (isOpen(node)) state.schedule.changed = true;
}

/** Takes work and has something of everything left that each task needs. */
export function isOpen(node: NodeRecord): boolean {
  return (
    node.status === 'ready' &&
    node.accepting &&
    !node.isResting &&
    !node.isIsolated &&
    node.freeSlots > 0 &&
    node.freeCpuMilli > 0 &&
    node.freeMemoryBytes > 0
  );
}

/** Keeps the index of open nodes. */
export function refreshOpen(state: State, node: NodeRecord): void {
  node.load = loadOf(node.offer, node);
  state.schedule.noteNode(node);
  if (isOpen(node)) state.openNodes.add(node);
  else state.openNodes.delete(node);
}
