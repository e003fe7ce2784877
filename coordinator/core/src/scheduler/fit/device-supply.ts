import type { Device } from '@capacloud/protocol/capacity/resources';
import type { ReadOnly } from '../../read-only.ts';
import type { NodeRecord } from '../../slices/node/record.ts';

/** Devices of one description: what one of them suits, all do. */
export interface DeviceKind {
  readonly device: Device;
  readonly key: string;
  /** A small number that no other kind has at the same time. */
  readonly slot: number;
  /** Devices of this kind, healthy or not, on nodes that take work. */
  count: number;
  /** Of the mix: which of its demands it suits, in their order, and how much it is wanted; 1 on the average. */
  generation: number;
  suits: Uint8Array;
  load: number;
}

/** The devices of a node that are counted. */
interface Counted {
  readonly devices: readonly Device[];
  /** What all of them are; undefined where they differ or there are none. */
  readonly kind: DeviceKind | undefined;
}

const nothing: Counted = { devices: [], kind: undefined };

/** The kinds of devices that nodes offer, and how many there are of each. */
export class DeviceSupply {
  readonly #kinds = new Map<string, DeviceKind>();
  /** Slots of kinds that are no more. */
  readonly #freeSlots: number[] = [];
  #slots = 0;
  readonly #kindOf = new WeakMap<Device, DeviceKind>();
  readonly #counted = new WeakMap<ReadOnly<NodeRecord>, Counted>();

  get kinds(): Iterable<DeviceKind> {
    return this.#kinds.values();
  }

  /** The node's offer may be another, or whether it takes work. Gives what all its devices are, if they are alike and counted. */
  note(node: ReadOnly<NodeRecord>): DeviceKind | undefined {
    return this.#count(
      node,
      node.status === 'ready' && node.accepting ? node.offer.devices : nothing.devices,
    );
  }

  /** The node is no more. */
  forget(node: ReadOnly<NodeRecord>): void {
    this.#count(node, nothing.devices);
  }

  #count(node: ReadOnly<NodeRecord>, devices: readonly Device[]): DeviceKind | undefined {
    const before = this.#counted.get(node) ?? nothing;
    if (before.devices === devices || (before.devices.length === 0 && devices.length === 0))
      return before.kind;
    let kind: DeviceKind | undefined;
    for (const [i, device] of devices.entries()) {
      const each = this.kindOf(device);
      each.count += 1;
      if (i === 0) kind = each;
      else if (kind !== each) kind = undefined;
    }
    for (const device of before.devices) {
      const kind = this.kindOf(device);
      kind.count -= 1;
      if (kind.count > 0) continue;
      this.#kinds.delete(kind.key);
      this.#freeSlots.push(kind.slot);
    }
    this.#counted.set(node, { devices, kind });
    return kind;
  }

  kindOf(device: Device): DeviceKind {
    const known = this.#kindOf.get(device);
    if (known !== undefined && this.#kinds.get(known.key) === known) return known;
    const key = known?.key ?? describe(device);
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      const slot = this.#freeSlots.pop() ?? this.#slots++;
      kind = { device, key, slot, count: 0, generation: 0, suits: new Uint8Array(), load: 1 };
      this.#kinds.set(key, kind);
    }
    this.#kindOf.set(device, kind);
    return kind;
  }
}

function describe({ id: _id, reason: _reason, ...description }: Device): string {
  return JSON.stringify(description);
}
