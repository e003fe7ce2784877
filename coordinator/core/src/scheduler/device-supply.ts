import type { Device } from '@capacloud/protocol/resources';
import type { NodeRecord } from '../state.ts';

/** Devices of one description: what one of them suits, all do. */
export interface DeviceKind {
  readonly device: Device;
  readonly key: string;
  /** Devices of this kind, healthy or not, on nodes that take work. */
  count: number;
  /** Of the mix: which of its demands it suits, in their order, and how much it is wanted; 1 on the average. */
  generation: number;
  suits: Uint8Array;
  load: number;
}

/** The kinds of devices that nodes offer, and how many there are of each. */
export class DeviceSupply {
  readonly #kinds = new Map<string, DeviceKind>();
  readonly #kindOf = new WeakMap<Device, DeviceKind>();
  /** The devices of each node that are counted. */
  readonly #counted = new WeakMap<NodeRecord, readonly Device[]>();

  get kinds(): Iterable<DeviceKind> {
    return this.#kinds.values();
  }

  /** The node's offer may be another, or whether it takes work. */
  note(node: NodeRecord): void {
    const devices = node.status === 'ready' && node.accepting ? node.offer.devices : [];
    const before = this.#counted.get(node) ?? [];
    if (before === devices || (before.length === 0 && devices.length === 0)) return;
    for (const device of devices) this.kindOf(device).count += 1;
    for (const device of before) {
      const kind = this.kindOf(device);
      kind.count -= 1;
      if (kind.count === 0) this.#kinds.delete(kind.key);
    }
    this.#counted.set(node, devices);
  }

  kindOf(device: Device): DeviceKind {
    const known = this.#kindOf.get(device);
    if (known !== undefined && this.#kinds.get(known.key) === known) return known;
    const key = known?.key ?? describe(device);
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = { device, key, count: 0, generation: 0, suits: new Uint8Array(), load: 1 };
      this.#kinds.set(key, kind);
    }
    this.#kindOf.set(device, kind);
    return kind;
  }
}

function describe({ id: _id, reason: _reason, ...description }: Device): string {
  return JSON.stringify(description);
}
