import type { Device, DeviceRequest } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import type { DeviceKind } from './device-supply.ts';

/** What is free of a node's devices, summed up so that most questions need not look at each of them. */
export interface DeviceRoom {
  /** What all of them are; undefined where they differ, where there are none and where the node takes no work. */
  readonly kind: DeviceKind | undefined;
  /** Devices of which nothing is taken. */
  readonly wholes: number;
  /** Thousandths free of the one that has the most, and of all together. */
  readonly mostMilli: number;
  readonly freeMilli: number;
}

export const noDeviceRoom: DeviceRoom = { kind: undefined, wholes: 0, mostMilli: 0, freeMilli: 0 };

/** `usedMilli` gives what is taken of each. */
export function deviceRoomOf(
  devices: readonly Device[],
  kind: DeviceKind | undefined,
  usedMilli: (id: string) => number,
): DeviceRoom {
  if (devices.length === 0) return noDeviceRoom;
  let wholes = 0;
  let mostMilli = 0;
  let freeMilli = 0;
  for (const { id } of devices) {
    const milli = 1000 - usedMilli(id);
    if (milli === 1000) wholes += 1;
    if (milli > mostMilli) mostMilli = milli;
    freeMilli += milli;
  }
  return { kind, wholes, mostMilli, freeMilli };
}

/** Whether there is room for the request on devices that all suit it; undefined where only a look at each can tell. */
export function hasRoom(room: DeviceRoom, request: DeviceRequest): boolean | undefined {
  const milli = deviceMilli(request);
  if (milli === 1000) return room.wholes >= request.count;
  if (room.mostMilli < milli) return false;
  return request.count === 1 ? true : undefined;
}
