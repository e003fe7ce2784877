import { amountOf } from '@capacloud/protocol/capacity/capacity';
import type { Resources } from '@capacloud/protocol/capacity/resources';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import type { ReadOnly } from '../../read-only.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import type { DeviceKind } from '../fit/device-supply.ts';
import type { Look } from './look.ts';
import type { TaskMix } from './task-mix.ts';
import type { WholeDevices } from './whole-devices.ts';

/**
 * What a device costs besides, for each time that it is wanted more than the average, as a part of its price: those that
 * particular tasks wait for are given to others last. Measured on the 2023 trace: 0.05 is too little, 0.2 to 0.5 are alike.
 */
const scarcityWeight = 0.25;

/** What tasks of some resources make unusable of the devices of a node for the tasks that come after them. */
export class PlacementLoss {
  readonly #resources: Resources;
  readonly #mix: TaskMix;
  readonly #count: number;
  readonly #milli: number;

  constructor(resources: Resources, mix: TaskMix) {
    this.#resources = resources;
    this.#mix = mix;
    this.#count = resources.devices?.count ?? 0;
    this.#milli = deviceMilli(resources.devices);
  }

  /** Thousandths of devices. There must be room for a task. */
  on(node: ReadOnly<NodeRecord>, look: Look): number {
    const { kind } = look.deviceRoomOf(node);
    const isWhole = this.#milli === 1000 || this.#count === 0;
    if (kind === undefined || !isWhole) return this.#lossOnAny(node, look);
    const wholes = this.#mix.wholesOf(kind);
    return wholes.hasShares ? this.#lossOnAny(node, look) : this.#lossOfWholes(node, kind, wholes, look);
  }

  /** What any task of these resources makes of devices of the kind: no loss there is smaller. */
  leastOf(kind: DeviceKind | undefined): number {
    if (kind === undefined || this.#count === 0) return 0;
    return scarcityWeight * this.#milli * this.#count * this.#mix.loadOf(kind);
  }

  /** Devices that are all alike, of which nobody takes shares, are as good as their number. */
  #lossOfWholes(node: ReadOnly<NodeRecord>, kind: DeviceKind, mix: WholeDevices, look: Look): number {
    const free = look.freeOf(node);
    const slots = amountOf(free, 'slots');
    const cpu = amountOf(free, 'cpuMilli');
    const memory = amountOf(free, 'memoryBytes');
    const { wholes } = look.deviceRoomOf(node);
    const { cpuMilli, memoryBytes } = this.#resources;
    const count = this.#count;
    const before = mix.expectedFill(wholes, slots, cpu, memory);
    const after = mix.expectedFill(wholes - count, slots - 1, cpu - cpuMilli, memory - memoryBytes);
    return notBelow0(before - after - count) * 1000 + this.leastOf(kind);
  }

  #lossOnAny(node: ReadOnly<NodeRecord>, look: Look): number {
    const devices = look.devicesFor(node, this.#resources);
    const milli = this.#milli;
    const space = look.spaceOf(node);
    const before = this.#mix.fillOf(node, look.revisionOf(node), space);
    space.slots -= 1;
    space.cpuMilli -= this.#resources.cpuMilli;
    space.memoryBytes -= this.#resources.memoryBytes;
    for (const [i, { id }] of space.devices.entries())
      if (devices.includes(id)) space.freeMilli[i] = (space.freeMilli[i] ?? 0) - milli;
    let lostMilli = notBelow0(before - this.#mix.expectedFill(space) - devices.length * milli);
    for (const device of node.offer.devices)
      if (devices.includes(device.id))
        lostMilli += scarcityWeight * milli * this.#mix.loadOf(this.#mix.kindOf(device));
    return lostMilli;
  }
}

/** Sequences may happen to fill more beside a task than without it; that is luck, and nothing is gained by it. */
function notBelow0(loss: number): number {
  return Math.max(0, loss);
}
