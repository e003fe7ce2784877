import type { JobTerms } from '../../contract/command.ts';
import type { ReadOnly } from '../../read-only.ts';
import { isSuspected } from '../../slices/job/misfits.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import type { Keepings } from '../keepings.ts';
import type { Look } from './look.ts';
import type { NodeChanges } from './node-changes.ts';
import type { Entry } from './node-entry.ts';
import { type NodeTable, Wants } from './node-table.ts';
import { PlacementLoss } from './placement-loss.ts';
import { ShapePrice } from './shape-price.ts';
import { ShapeRoom } from './shape-room.ts';
import type { TaskMix } from './task-mix.ts';

/** The node has no devices, so nothing has to be weighed. */
const nothingToWeigh = -1;

/** A node of an architecture that the image may not be made for is as dear as if tasks had to be tried there so often. */
const suspicion = 8;

/** What follows the nodes, for all orders. */
export interface Indexes {
  readonly mix: TaskMix;
  readonly changes: NodeChanges;
  readonly table: NodeTable;
  readonly keepings: Keepings;
}

/** What nodes are worth to tasks of one shape: an estimate from the table first, and then, weighed, what is lost as well. */
export class ShapeScores {
  readonly wants: Wants;
  readonly #hasDevices: boolean;
  readonly #indexes: Indexes;
  readonly #price: ShapePrice;
  readonly #loss: PlacementLoss;
  readonly #room: ShapeRoom;
  readonly #terms: JobTerms;
  readonly #maxRateNano: bigint;
  /** A little above, for estimates. */
  readonly #ceiling: number;

  constructor(terms: JobTerms, indexes: Indexes) {
    this.#indexes = indexes;
    this.#terms = terms;
    this.#hasDevices = terms.resources.devices !== undefined;
    this.#price = new ShapePrice(terms);
    this.#loss = new PlacementLoss(terms.resources, indexes.mix);
    this.#room = new ShapeRoom(terms);
    this.wants = new Wants(terms, this.#room.kinds);
    // guard: stay below the consumer's ceiling
    this.#maxRateNano = terms.maxRateNano;
    this.#ceiling = Number(this.#maxRateNano) * (1 + Number.EPSILON * 8) + 1;
  }

  /** nano-CAPA an hour. */
  rateOn(node: ReadOnly<NodeRecord>): bigint {
    return this.#price.rateOn(node);
  }

  isAffordable(node: ReadOnly<NodeRecord>): boolean {
    return this.#price.rateOn(node) <= this.#maxRateNano;
  }

  /** It has room and may take the shape; not what it costs. */
  hasRoom(node: ReadOnly<NodeRecord>, look: Look): boolean {
    return this.#room.has(node, look);
  }

  /** The node of the row, if it may do as far as the table can tell: whether it does is seen once it comes to the top. */
  candidate(row: number, look: Look): Entry | undefined {
    const { changes, table } = this.#indexes;
    const node = table.nodes[row];
    if (node === undefined || !table.mayTake(row, this.wants)) return undefined;
    const rate = table.estimate(row, this.#price);
    if (rate > this.#ceiling) return undefined;
    const hasGiven = look.hasGiven(row);
    const tries = table.triesOf(row) * (isSuspected(node, this.#terms) ? suspicion : 1);
    return {
      node,
      revision: hasGiven ? look.revisionOf(node) : changes.revisionOf(row),
      isChecked: false,
      score: rate * tries + (this.#loss.leastOf(table.kindOf(row)) * table.lossNanoOf(row)) / 1000,
      tries,
      tie: hasGiven ? this.#tieOf(node, look) : table.tieOf(row, this.wants),
      generation: table.hasDevices(row) ? 0 : nothingToWeigh,
    };
  }

  /** Undefined where the node takes no work, has no room, or may not or need not take the shape. */
  entryOf(node: ReadOnly<NodeRecord>, look: Look): Entry | undefined {
    const entry = this.candidate(node.row, look);
    if (entry === undefined || !this.hasRoom(node, look)) return undefined;
    entry.isChecked = true;
    return entry;
  }

  mustWeigh({ generation }: Entry): boolean {
    return generation !== nothingToWeigh && generation !== this.#indexes.mix.generation;
  }

  weigh(entry: Entry, look: Look): void {
    const { node } = entry;
    const { mix, table } = this.#indexes;
    const lossNano = (this.#loss.on(node, look) * table.lossNanoOf(node.row)) / 1000;
    entry.score = this.#price.estimate(node) * entry.tries + lossNano;
    entry.generation = mix.generation;
  }

  #tieOf(node: ReadOnly<NodeRecord>, look: Look): number {
    return this.#hasDevices ? look.deviceRoomOf(node).freeMilli : look.loadOf(node);
  }
}
