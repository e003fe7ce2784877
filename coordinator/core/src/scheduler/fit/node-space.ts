import {
  add,
  type Capacity,
  copyOf,
  fits,
  howMany,
  type MutableCapacity,
  needOf,
  subtract,
} from '@capacloud/protocol/capacity/capacity';
import type { DeviceRequest, Offer, Resources } from '@capacloud/protocol/capacity/resources';
import { deviceMilli, requestOf } from '@capacloud/protocol/capacity/resources';
import type { ReadOnly } from '../../read-only.ts';
import type { Occupancy } from '../../slices/attempt/occupancy.ts';
import type { Job } from '../../slices/job/record.ts';
import { takenBy } from '../../slices/node/capacity.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import { chooseDevices, matchesDevice } from './feasibility.ts';

/** What one task takes of a node: amounts, and devices that it chooses by their properties. */
export interface TaskNeed {
  readonly capacity: Capacity;
  readonly devices: DeviceRequest | undefined;
}

/** By the first alternative of the resources alone. */
export function taskNeed(resources: Resources): TaskNeed {
  return { capacity: needOf(resources), devices: resources.devices };
}

/** How many such tasks fit what is left of an offer. `usedMilli` gives what is taken of each device. */
export function tasksThatFit(
  offer: Offer,
  free: Capacity,
  { capacity, devices }: TaskNeed,
  usedMilli: (id: string) => number,
): number {
  const most = howMany(free, capacity);
  if (most === 0 || devices === undefined) return most;
  const milli = deviceMilli(devices);
  let places = 0;
  for (const device of offer.devices)
    if (matchesDevice(device, devices))
      places += Math.max(0, Math.floor((1000 - usedMilli(device.id)) / milli));
  return Math.min(most, Math.floor(places / devices.count));
}

/** What a node would have left, if some attempts were gone and some tasks had come. */
export class NodeSpace {
  readonly #offer: Offer;
  readonly #free: MutableCapacity;
  readonly #usedMilli: Map<string, number>;

  constructor({ deviceUse, free, offer }: ReadOnly<NodeRecord>) {
    this.#offer = offer;
    this.#free = copyOf(free);
    this.#usedMilli = new Map(deviceUse);
  }

  /** Whether a task fits. */
  has(need: TaskNeed): boolean {
    return fits(this.#free, need.capacity) && this.#devicesFor(need) !== undefined;
  }

  count(need: TaskNeed): number {
    return tasksThatFit(this.#offer, this.#free, need, this.#used);
  }

  /** The attempt is gone. */
  give(job: ReadOnly<Job>, occupancy: Occupancy): void {
    add(this.#free, takenBy(job, occupancy));
    this.#use(occupancy.devices, -milliOf(job, occupancy));
  }

  /** The attempt stays after all. */
  takeBack(job: ReadOnly<Job>, occupancy: Occupancy): void {
    subtract(this.#free, takenBy(job, occupancy));
    this.#use(occupancy.devices, milliOf(job, occupancy));
  }

  /** A task has come, for which there was room. */
  take(need: TaskNeed): void {
    subtract(this.#free, need.capacity);
    this.#use(this.#devicesFor(need) ?? [], deviceMilli(need.devices));
  }

  readonly #used = (id: string): number => this.#usedMilli.get(id) ?? 0;

  #use(devices: readonly string[], milli: number): void {
    for (const id of devices) this.#usedMilli.set(id, this.#used(id) + milli);
  }

  #devicesFor({ devices }: TaskNeed): readonly string[] | undefined {
    return devices === undefined ? [] : chooseDevices(this.#offer, devices, this.#used);
  }
}

function milliOf({ terms }: ReadOnly<Job>, { alternative }: Occupancy): number {
  return deviceMilli(requestOf(terms.resources, alternative));
}
