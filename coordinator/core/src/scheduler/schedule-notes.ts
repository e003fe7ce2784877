import { alternativesOf } from '@capacloud/protocol/capacity/resources';
import type { JobId, NodeId } from '@capacloud/protocol/ids';
import type { JobTerms } from '../contract/command.ts';
import type { ReadOnly } from '../read-only.ts';
import type { Busy as BusyWith } from '../slices/isolation/isolation.ts';

import type { NodeRecord } from '../slices/node/record.ts';
import type { State } from '../state.ts';
import { deviceRoomOf } from './fit/device-room.ts';
import { DeviceSupply } from './fit/device-supply.ts';
import { Keepings } from './keepings.ts';
import { WaitingNotes } from './lane-notes.ts';
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

export interface Busy extends BusyWith {
  isPlacing: boolean;
  job: JobId | undefined;
  node: NodeId | undefined;
}

/**
 * What the scheduler remembers. It follows from the state and from what was seen since the start, so it may be forgotten at any
 * time: no hash and no promise depends on it, and it is in no snapshot. The log records what was placed. It belongs to one
 * state, and follows its change feed.
 */
export class ScheduleNotes {
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
  readonly keepings = new Keepings();
  readonly waiting = new WaitingNotes();
  readonly #supply = new DeviceSupply();
  readonly mix = new TaskMix(this.#supply);
  readonly changes = new NodeChanges();
  readonly table = new NodeTable();
  /** By shape, the least lately used first. */
  readonly #orders = new Map<string, NodeOrder>();
  /** Orders that were ever made. */
  #made = 0;
  #lastLook: Look | undefined;
  /** Positions in the change feed, up to which it was followed. */
  #rowsUntil = 0;
  #idledUntil = 0;
  #submittedUntil = 0;
  /** Times that rows were followed, and of each row in which of them it was last noted, and had become idle. */
  #round = 0;
  readonly #notedIn: number[] = [];
  readonly #idledIn: number[] = [];
  #imagesUntil = 0;
  /** Arrivals of work and room when a place last began at the head of the queue. */
  #arrivalsSeen = 0;
  /** A place may do more than the one before, although nothing has arrived. */
  #isStirred = false;

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

  /** Takes in what has happened to the state since the last time. Call before anything here is read. */
  follow({ feed }: Pick<ReadOnly<State>, 'feed'>): void {
    const { idled, images, nodes, rows, submitted } = feed;
    if (rows.end !== this.#rowsUntil) {
      this.#round += 1;
      const round = this.#round;
      idled.follow(this.#idledUntil, (row) => {
        this.#idledIn[row] = round;
      });
      const note = (row: number): void => {
        // A row that changed several times is looked at once.
        if (this.#notedIn[row] === round) return;
        this.#notedIn[row] = round;
        this.#noteRow(row, nodes[row], this.#idledIn[row] === round);
      };
      if (!rows.follow(this.#rowsUntil, note))
        for (let row = 0; row < Math.max(nodes.length, this.table.nodes.length); row++) note(row);
      this.#rowsUntil = rows.end;
      this.#idledUntil = idled.end;
    }
    if (submitted.end !== this.#submittedUntil) {
      // Of work that came long ago the mix of recent tasks would know nothing any more.
      submitted.follow(this.#submittedUntil, (work) => this.mix.note(work.resources, work.tasks));
      this.#submittedUntil = submitted.end;
    }
    if (images.end !== this.#imagesUntil) {
      images.follow(this.#imagesUntil, ({ image, node }) => {
        if (node.row >= 0) this.images.note(image, node);
      });
      this.#imagesUntil = images.end;
    }
  }

  /** Whether work or room has come since a place began at the head of the queue. */
  hasNews({ feed }: Pick<ReadOnly<State>, 'feed'>): boolean {
    return this.#isStirred || feed.arrivals !== this.#arrivalsSeen;
  }

  /** A place may do more than the last one, because of something that the state does not know. */
  stir(): void {
    this.#isStirred = true;
  }

  /** A place begins at the head of the queue. */
  noteNews({ feed }: Pick<ReadOnly<State>, 'feed'>): void {
    this.#arrivalsSeen = feed.arrivals;
    this.#isStirred = false;
  }

  #noteRow(row: number, node: ReadOnly<NodeRecord> | undefined, hasBecomeIdle: boolean): void {
    const before = this.table.nodes[row];
    if (before !== undefined && before !== node) {
      this.#supply.forget(before);
      this.offered.forget(before);
      this.keepings.free(before);
      this.table.clear(row);
    }
    if (node !== undefined) this.#noteNode(node, hasBecomeIdle);
    else this.changes.note(row);
  }

  #noteNode(node: ReadOnly<NodeRecord>, hasBecomeIdle: boolean): void {
    const kind = this.#supply.note(node);
    const room = deviceRoomOf(node.offer.devices, kind, (id) => node.deviceUse.get(id) ?? 0);
    this.table.note(node, room, hasBecomeIdle);
    this.changes.note(node.row);
    this.offered.note(node);
  }

  /**
   * A look that places tasks begins. Orders saw the nodes of the last one as it planned them and let go of what they had noted
   * before. Where a plan did not happen the node is unchanged, so it is noted anew; otherwise no order would find it again.
   */
  beginLook(look: Look): void {
    for (const node of this.#lastLook?.untouched() ?? []) this.#noteNode(node, false);
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
