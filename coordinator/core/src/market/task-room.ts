import type { Offer, Resources } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import type { Free } from '../node/capacity.ts';
import { matchesDevice } from '../scheduler/fit/feasibility.ts';

/** How many tasks of these resources fit what is left of an offer. `usedMilli` gives what is taken of each device. */
export function tasksThatFit(
  offer: Offer,
  free: Free,
  { cpuMilli, memoryBytes, diskBytes, devices }: Resources,
  usedMilli: (id: string) => number,
): number {
  const most = Math.min(
    free.freeSlots,
    Math.floor(free.freeCpuMilli / cpuMilli),
    Math.floor(free.freeMemoryBytes / memoryBytes),
    diskBytes === 0 ? Number.POSITIVE_INFINITY : Math.floor(free.freeDiskBytes / diskBytes),
  );
  if (most <= 0 || devices === undefined) return Math.max(0, most);
  const milli = deviceMilli(devices);
  let places = 0;
  for (const device of offer.devices)
    if (matchesDevice(device, devices))
      places += Math.max(0, Math.floor((1000 - usedMilli(device.id)) / milli));
  return Math.min(most, Math.floor(places / devices.count));
}

/** All that is offered, with nothing in use. */
export function wholeOf({ slots, cpuMilli, memoryBytes, diskBytes }: Offer): Free {
  return {
    freeSlots: slots,
    freeCpuMilli: cpuMilli,
    freeMemoryBytes: memoryBytes,
    freeDiskBytes: diskBytes,
  };
}
