import { type Capacity, fitsRow, needOf, writeRow } from '@capacloud/protocol/capacity/capacity';
import { dimensionRows } from '@capacloud/protocol/capacity/dimensions';
import { deviceMilli } from '@capacloud/protocol/capacity/resources';
import type { JobTerms } from '../../contract/command.ts';
import type { ReadOnly } from '../../read-only.ts';
import { isOpen } from '../../slices/node/capacity.ts';
import { addCost, pricedUnits } from '../../slices/node/price.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import { type DeviceRoom, noDeviceRoom } from '../fit/device-room.ts';
import type { DeviceKind } from '../fit/device-supply.ts';
import type { KindFilter } from '../fit/kind-filter.ts';
import { PriceLadder } from './price-ladder.ts';
import type { ShapePrice } from './shape-price.ts';

/** A processor with the memory that goes with it, and processors that go with a device: prices are compared by them before any task is known. */
const typicalUnits = pricedUnits({ cpuMilli: 1000, memoryBytes: 2 * 2 ** 30, diskBytes: 0, shmBytes: 0 });
const typicalCpus = 4;
const nothing: readonly number[] = [];

interface Ladders {
  /** Nodes that take work, by what they ask for tasks without devices. */
  readonly all: PriceLadder;
  /** Those of them that have something of a device left, by what they ask for tasks with one. */
  readonly withDevices: PriceLadder;
}

function newLadders(): Ladders {
  return { all: new PriceLadder(), withDevices: new PriceLadder() };
}

/** What tasks of one shape take, as the table is asked for it. */
export class Wants {
  readonly need: Capacity;
  readonly count: number;
  readonly milli: number;
  readonly kinds: KindFilter | undefined;
  readonly isInterruptible: boolean;

  constructor({ interruptible, resources }: JobTerms, kinds: KindFilter | undefined) {
    this.need = needOf(resources);
    this.count = resources.devices?.count ?? 0;
    this.milli = deviceMilli(resources.devices);
    this.kinds = kinds;
    this.isInterruptible = interruptible === true;
  }
}

/**
 * What decides soonest whether a node has room for a shape, in columns, because most nodes that are looked at have none
 * and their records lie all over the memory; and where the cheapest are. Says nothing of what a look has given away.
 */
export class NodeTable {
  /** Every node, by its row in the change feed; undefined in rows that are free. */
  readonly nodes: (ReadOnly<NodeRecord> | undefined)[] = [];
  readonly #rooms: DeviceRoom[] = [];
  readonly #kinds: (DeviceKind | undefined)[] = [];
  #open: number[] = [];
  #wholes: number[] = [];
  #mostMilli: number[] = [];
  /** Of each row in turn, what is free of each dimension. */
  readonly #free: number[] = [];
  /** As `#free`, what is asked for each dimension. */
  readonly #nano: number[] = [];
  #deviceNano: number[] = [];
  #discountPercent: number[] = [];
  #tries: number[] = [];
  #load: number[] = [];
  #freeMilli: number[] = [];
  #hasDevices: number[] = [];
  /** By what is asked of who pays in full, and of interruptible tasks. */
  readonly #full = newLadders();
  readonly #discounted = newLadders();

  /** Anything of the node may be another. It has become idle where it has let go of its last attempt since it was last noted. */
  note(node: ReadOnly<NodeRecord>, deviceRoom: DeviceRoom, hasBecomeIdle: boolean): void {
    const { askClass, row } = node;
    this.nodes[row] = node;
    this.#rooms[row] = deviceRoom;
    this.#open[row] = isOpen(node) ? 1 : 0;
    this.#kinds[row] = deviceRoom.kind;
    this.#wholes[row] = deviceRoom.wholes;
    this.#mostMilli[row] = deviceRoom.mostMilli;
    writeRow(this.#free, row, node.free);
    writeRow(this.#nano, row, askClass?.dimensionNano ?? nothing);
    this.#deviceNano[row] = askClass?.deviceNano ?? 0;
    this.#discountPercent[row] = askClass?.discountPercent ?? 0;
    this.#tries[row] = node.tries;
    this.#load[row] = node.load;
    this.#freeMilli[row] = deviceRoom.freeMilli;
    this.#hasDevices[row] = node.offer.devices.length > 0 ? 1 : 0;
    this.#place(row, hasBecomeIdle);
  }

  /** There is no node in the row any more. */
  clear(row: number): void {
    for (const { all, withDevices } of [this.#full, this.#discounted]) {
      all.remove(row);
      withDevices.remove(row);
    }
    this.#open[row] = 0;
    this.#kinds[row] = undefined;
    this.#rooms[row] = noDeviceRoom;
    this.nodes[row] = undefined;
  }

  /** Nodes that may have room for such tasks, in about the order of their prices. */
  ladderOf({ count, isInterruptible }: Wants): PriceLadder {
    const ladders = isInterruptible ? this.#discounted : this.#full;
    return count === 0 ? ladders.all : ladders.withDevices;
  }

  deviceRoomOf(row: number): DeviceRoom {
    return this.#rooms[row] ?? noDeviceRoom;
  }

  /** Of its devices, where they are all alike. */
  kindOf(row: number): DeviceKind | undefined {
    return this.#kinds[row];
  }

  /** nano-CAPA an hour for a device: what is lost of one counts something even where it costs nothing. */
  lossNanoOf(row: number): number {
    return Math.max(1, this.#deviceNano[row] ?? 0);
  }

  triesOf(row: number): number {
    return this.#tries[row] ?? 1;
  }

  /** Of nodes that are equal else, the lower goes first: the least loaded, or whose devices are the fullest. */
  tieOf(row: number, { count }: Wants): number {
    return (count === 0 ? this.#load[row] : this.#freeMilli[row]) ?? 0;
  }

  hasDevices(row: number): boolean {
    return this.#hasDevices[row] === 1;
  }

  /** False where the node of the row has no room for the shape; true says no more than that it may have. */
  mayTake(row: number, wants: Wants): boolean {
    if (this.#open[row] !== 1) return false;
    if (wants.count > 0) {
      const isEnough =
        wants.milli === 1000
          ? (this.#wholes[row] ?? 0) >= wants.count
          : (this.#mostMilli[row] ?? 0) >= wants.milli;
      if (!isEnough) return false;
      const kind = this.#kinds[row];
      if (kind !== undefined && wants.kinds?.suits(kind) === false) return false;
    }
    return fitsRow(this.#free, row, wants.need);
  }

  /** nano-CAPA an hour, but for rounding. */
  estimate(row: number, price: ShapePrice): number {
    return price.estimateOf(
      this.#nano,
      row * dimensionRows.length,
      this.#deviceNano[row] ?? 0,
      this.#discountPercent[row] ?? 0,
    );
  }

  #place(row: number, hasBecomeIdle: boolean): void {
    const cpu = addCost(0, typicalUnits, this.#nano, row * dimensionRows.length);
    const device = (this.#deviceNano[row] ?? 0) + typicalCpus * cpu;
    const hasDevice = (this.#mostMilli[row] ?? 0) > 0;
    const isOpenRow = this.#open[row] === 1;
    const tries = this.#tries[row] ?? 1;
    const percent = 100 - (this.#discountPercent[row] ?? 0);
    for (let each = 0; each < 2; each++) {
      const ladders = each === 0 ? this.#full : this.#discounted;
      const times = each === 0 ? tries : (tries * percent) / 100;
      // Who has become idle goes behind those who cost as much: it is their turn.
      if (!isOpenRow || hasBecomeIdle) ladders.all.remove(row);
      if (!isOpenRow || !hasDevice || hasBecomeIdle) ladders.withDevices.remove(row);
      if (isOpenRow) ladders.all.put(row, cpu * times);
      if (isOpenRow && hasDevice) ladders.withDevices.put(row, device * times);
    }
  }
}
