import { alternativesOf } from '@capacloud/protocol/capacity/resources';
import type { JobId, NodeId } from '@capacloud/protocol/ids';
import type { JobTerms } from '../contract/command.ts';
import type { NodeRecord } from '../state.ts';
import { deviceRoomOf } from './fit/device-room.ts';
import { DeviceSupply } from './fit/device-supply.ts';
import { OfferedTotal } from './offered-total.ts';
import { ImagePlaces } from './order/image-places.ts';
import type { Look } from './order/look.ts';
import { NodeChanges } from './order/node-changes.ts';
import { NodeOrder } from './order/node-order.ts';
import { NodeTable } from './order/node-table.ts';
import { PreferenceOrder, type TaskOrder } from './order/preference-order.ts';
import { TaskMix } from './order/task-mix.ts';
import { Preemptions } from './preemptions.ts';
import { Reservations } from './reservations.ts';

/** Orders kept at a time, and entries in them: one for every node that has room for the shape. */
const maxOrders = 64;
const maxEntries = 500_000;
/** So many new orders from one count of the entries to the next. */
const countedEvery = 64;

export interface Busy {
  isPlacing: boolean;
  job: JobId | undefined;
  node: NodeId | undefined;
}

/**
 * What the scheduler keeps for itself, which `decide` may write: it follows from the state and from what was seen since
 * the start, no hash depends on it, and it is in no snapshot. The log records what was placed.
 */
export class ScheduleNotes {
  /** Whether work or capacity has come since a place began at the head of the queue. */
  changed = false;
  /** Nothing is placed: the coordinator is in its safe mode. */
  isPaused = false;
  /** What a decision is busy with, to be named should it break an invariant. */
  readonly busy: Busy = { isPlacing: false, job: undefined, node: undefined };
  /** A pass goes over all that waits, in one look or in several; one that was cut short goes on. After a restart there is a new one. */
  pass = 1;
  isCutShort = false;
  readonly offered = new OfferedTotal();
  readonly reservations = new Reservations();
  readonly preemptions = new Preemptions();
  readonly images = new ImagePlaces();
  readonly #supply = new DeviceSupply();
  readonly mix = new TaskMix(this.#supply);
  readonly changes = new NodeChanges();
  readonly table = new NodeTable();
  /** By shape, the least lately used first. */
  readonly #orders = new Map<string, NodeOrder>();
  /** Orders that were ever made. */
  #made = 0;
  #lastLook: Look | undefined;

  /** The order of nodes for tasks of the shape, as they are for the look. */
  orderOf(shape: string, terms: JobTerms, look: Look): TaskOrder {
    if (terms.resources.alternatives === undefined) return this.#orderOf(shape, terms, look);
    const options = alternativesOf(terms.resources);
    return new PreferenceOrder(look, options.length, (alternative) => {
      const resources = options[alternative] ?? terms.resources;
      return this.#orderOf(`${shape}#${alternative}`, { ...terms, resources }, look);
    });
  }

  #orderOf(shape: string, terms: JobTerms, look: Look): NodeOrder {
    let order = this.#orders.get(shape);
    if (order === undefined) {
      order = new NodeOrder(terms, this);
      this.#makeRoom();
    } else this.#orders.delete(shape);
    this.#orders.set(shape, order);
    order.begin(look);
    return order;
  }

  /** What the node has free, its offer or whether it takes work may be another. */
  noteNode(node: NodeRecord): void {
    const kind = this.#supply.note(node);
    node.deviceRoom = deviceRoomOf(node.offer.devices, kind, (id) => node.deviceUse.get(id) ?? 0);
    const row = this.table.note(node);
    node.revision = this.changes.note(row);
    this.offered.note(node);
  }

  /** The node is no more: its row is free for another. */
  forget(node: NodeRecord): void {
    node.revision = this.changes.note(node.row);
    this.table.forget(node);
    node.keptFor = undefined;
  }

  /**
   * A look that places tasks begins. Orders saw the nodes of the last one as it planned them and let go of what they had noted
   * before. Where a plan did not happen the node is unchanged, so it is noted anew; otherwise no order would find it again.
   */
  beginLook(look: Look): void {
    for (const node of this.#lastLook?.untouched() ?? []) this.noteNode(node);
    this.#lastLook = look;
  }

  /** The look is over; where it was not cut short, the next one begins a new pass. */
  endLook(isCutShort: boolean): void {
    this.isCutShort = isCutShort;
    if (!isCutShort) this.pass += 1;
  }

  #makeRoom(): void {
    this.#made += 1;
    // They grow as they are used. Where shapes seldom come twice, counting all for each would cost as much as to weigh a node.
    let entries = 0;
    if (this.#made % countedEvery === 0) for (const order of this.#orders.values()) entries += order.size;
    for (const [shape, order] of this.#orders) {
      if (this.#orders.size < maxOrders && entries <= maxEntries) return;
      this.#orders.delete(shape);
      entries -= order.size;
    }
  }
}
