import { type Capacity, fits, needOf } from '@capacloud/protocol/capacity/capacity';
import type { JobTerms } from '../../contract/command.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import { hasRoom } from '../fit/device-room.ts';
import { hasDevices, isAllowed } from '../fit/feasibility.ts';
import { KindFilter } from '../fit/kind-filter.ts';
import type { Look } from './look.ts';

/** Whether nodes have room for a task of one shape and may take it; not what it costs there. */
export class ShapeRoom {
  readonly kinds: KindFilter | undefined;
  readonly #terms: JobTerms;
  readonly #need: Capacity;

  constructor(terms: JobTerms) {
    this.#terms = terms;
    this.#need = needOf(terms.resources);
    const { devices } = terms.resources;
    this.kinds = devices === undefined ? undefined : new KindFilter(devices);
  }

  /** As the look has it. */
  has(node: ReadOnly<NodeRecord>, look: Look): boolean {
    const isFitting = fits(look.freeOf(node), this.#need) && this.#hasDevices(node, look);
    return isFitting && isAllowed(node, this.#terms);
  }

  #hasDevices(node: ReadOnly<NodeRecord>, look: Look): boolean {
    const { devices } = this.#terms.resources;
    if (devices === undefined) return true;
    const room = look.deviceRoomOf(node);
    const isLikely = hasRoom(room, devices);
    if (isLikely === false) return false;
    if (room.kind !== undefined && isLikely === true) return this.kinds?.suits(room.kind) === true;
    return hasDevices(node.offer, devices, (id) => look.usedMilli(node, id));
  }
}
