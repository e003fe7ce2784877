import type { JobTerms } from '../../command.ts';
import { isSoldInterruptible } from '../../node/asks.ts';
import { isOpen } from '../../node/capacity.ts';
import type { NodeRecord, Task } from '../../state.ts';
import { isKeptFrom } from '../fit/feasibility.ts';
import { Heap } from '../heap.ts';
import type { Assignment, Look } from './look.ts';
import type { NodeChanges } from './node-changes.ts';
import { comesBefore, type Entry, type Standing } from './node-entry.ts';
import { type NodeTable, Wants } from './node-table.ts';
import { PlacementLoss } from './placement-loss.ts';
import { foot } from './price-ladder.ts';
import { ShapePrice } from './shape-price.ts';
import { ShapeRoom } from './shape-room.ts';
import type { TaskMix } from './task-mix.ts';

/** Looked at for each task of a shape until all have been: so many nodes at most, and so many that may do. */
const nodesAtOnce = 256;
const candidatesAtOnce = 8;
/** More than this, and than the nodes that were looked at, are not followed one by one: it is as well to begin anew. */
const fewChanges = 64;
/** The node has no devices, so nothing has to be weighed. */
const nothingToWeigh = -1;
/** What a node that has the image already may cost more: pulling it again takes its time, too. */
const presenceWorth = 0.05;

/** What follows the nodes, for all orders. */
export interface Indexes {
  readonly mix: TaskMix;
  readonly changes: NodeChanges;
  readonly table: NodeTable;
}

/**
 * Nodes for tasks of one shape, the best first: the price of the task, and the price of the devices that no task of the
 * late mix could use beside it any more. Kept from look to look, and brought up to date by the nodes that have changed.
 * What a placement makes unusable is dear to tell and never less than nothing, so only who comes to the top is weighed.
 */
export class NodeOrder {
  readonly #terms: JobTerms;
  readonly #mix: TaskMix;
  readonly #changes: NodeChanges;
  readonly #table: NodeTable;
  readonly #heap = new Heap<Entry>(comesBefore);
  /** Position in the changes up to which it is right; undefined before it was begun. */
  #position: number | undefined;
  /** How far the nodes have been looked at, and how many of them. */
  #climb = foot();
  #examined = 0;
  #isComplete = false;
  readonly #maxRateNano: bigint;
  /** A little above, for estimates. */
  readonly #ceiling: number;
  readonly #price: ShapePrice;
  readonly #loss: PlacementLoss;
  readonly #room: ShapeRoom;
  readonly #wants: Wants;
  #pushes = 0;
  #look: Look | undefined;
  #lookPosition = 0;
  /** Taken out in the last look, which a decision that was not carried out leaves as they were. */
  #taken: Entry[] = [];

  constructor(terms: JobTerms, { changes, mix, table }: Indexes) {
    this.#terms = terms;
    this.#price = new ShapePrice(terms);
    this.#loss = new PlacementLoss(terms.resources, mix);
    this.#mix = mix;
    this.#changes = changes;
    this.#table = table;
    this.#maxRateNano = terms.maxRateNano;
    this.#ceiling = Number(this.#maxRateNano) * (1 + Number.EPSILON * 8) + 1;
    this.#room = new ShapeRoom(terms);
    this.#wants = new Wants(terms, this.#room.kinds);
  }

  get size(): number {
    return this.#heap.size;
  }

  isExhausted(): boolean {
    if (this.#look !== undefined) this.#follow(this.#look);
    return this.#heap.size === 0 && this.#isComplete;
  }

  /** Before anything is taken in a look. */
  begin(look: Look): void {
    if (this.#look === look) return;
    this.#look = look;
    this.#lookPosition = 0;
    const taken = this.#taken;
    this.#taken = [];
    const known = this.#position;
    const { end } = this.#changes;
    this.#position = end;
    const isWorthIt = known !== undefined && end - known <= Math.max(fewChanges, this.#examined);
    if (isWorthIt && this.#changes.follow(known, (row) => this.#add(row, look))) {
      look.examinations -= end - known;
      for (const entry of taken) if (entry.revision === entry.node.revision) this.#push(entry);
    } else {
      this.#heap.clear();
      this.#examined = 0;
      this.#climb = foot();
      this.#isComplete = false;
    }
    this.#follow(look);
  }

  /** The best node for the task, or one of `near` that is nearly as good, and its share of it given away in the look. */
  take(task: Task, near: readonly NodeRecord[]): Assignment | undefined {
    const look = this.#look;
    if (look === undefined) return undefined;
    this.#follow(look);
    this.#examine(look);
    const shunned: Entry[] = [];
    let best = this.#first(look, task, shunned);
    while (best === undefined && !this.#isComplete && look.examinations > 0) {
      this.#examine(look);
      best = this.#first(look, task, shunned);
    }
    if (best === undefined) {
      // Better where it failed before than nowhere, but never beside itself.
      const index = shunned.findIndex(({ node }) => !node.occupied.has(task.id));
      if (index >= 0) [best] = shunned.splice(index, 1);
    }
    for (const entry of shunned) this.#push(entry);
    if (best === undefined) {
      if (!this.#isComplete) look.isCutShort = true;
      return undefined;
    }
    best = this.#nearest(best, near, task, look);
    const { node } = best;
    const devices = look.devicesFor(node, this.#terms.resources);
    if (best.revision === node.revision) this.#taken.push(best);
    look.give(node, this.#terms.resources, devices);
    this.#follow(look);
    const isInterruptible = isSoldInterruptible(node, this.#terms);
    return { task, node, devices, rateNano: `${this.#price.rateOn(node)}`, isInterruptible };
  }

  /** Where the node stands in the order, weighed; undefined where it has no room for a task. */
  standingOf(node: NodeRecord, look: Look): Standing | undefined {
    const entry = isOpen(node) ? this.#entryOf(node, look) : undefined;
    if (entry !== undefined && this.#mustWeigh(entry)) this.#weigh(entry, look);
    return entry;
  }

  /** Takes the first entry out that is true, weighed and not shunned by the task; those shunned go aside. */
  #first(look: Look, task: Task, shunned: Entry[]): Entry | undefined {
    for (let top = this.#heap.top; top !== undefined; top = this.#heap.top) {
      const { node } = top;
      if (top.revision !== look.revisionOf(node)) {
        this.#heap.removeTop();
        continue;
      }
      if (!top.isChecked) {
        if (!this.#room.has(node, look)) {
          this.#heap.removeTop();
          continue;
        }
        top.isChecked = true;
      }
      if (look.excluded.has(node.id) || isKeptFrom(node, task.job, this.#terms)) {
        this.#heap.removeTop();
        this.#taken.push(top);
        continue;
      }
      if (this.#mustWeigh(top) && look.weighings > 0) {
        look.weighings -= 1;
        this.#weigh(top, look);
        this.#heap.sink();
        continue;
      }
      this.#heap.removeTop();
      if (this.#price.rateOn(node) > this.#maxRateNano) continue;
      // A task that was never tried shuns nobody.
      if (task.attempt === 0 || !(task.avoid.includes(node.id) || node.occupied.has(task.id))) return top;
      shunned.push(top);
    }
    return undefined;
  }

  /** Of those that have the image the best, where it is worth it; the best of all is left for others then. */
  #nearest(best: Entry, near: readonly NodeRecord[], task: Task, look: Look): Entry {
    let nearest: Entry | undefined;
    for (const node of near) {
      if (node === best.node) return best;
      if (look.weighings <= 0 || !this.#mayTake(node, task, look)) continue;
      const entry = this.#entryOf(node, look);
      if (entry === undefined || this.#price.rateOn(node) > this.#maxRateNano) continue;
      if (this.#mustWeigh(entry)) {
        look.weighings -= 1;
        this.#weigh(entry, look);
      }
      if (entry.score > best.score * (1 + presenceWorth)) continue;
      if (nearest === undefined || comesBefore(entry, nearest)) nearest = entry;
    }
    if (nearest === undefined) return best;
    this.#push(best);
    return nearest;
  }

  #mayTake(node: NodeRecord, task: Task, look: Look): boolean {
    if (!isOpen(node) || look.excluded.has(node.id) || isKeptFrom(node, task.job, this.#terms)) return false;
    return !task.avoid.includes(node.id) && !node.occupied.has(task.id);
  }

  #mustWeigh({ generation }: Entry): boolean {
    return generation !== nothingToWeigh && generation !== this.#mix.generation;
  }

  #weigh(entry: Entry, look: Look): void {
    const { node } = entry;
    const lossNano = (this.#loss.on(node, look) * this.#table.lossNanoOf(node.row)) / 1000;
    entry.score = this.#price.estimate(node) * entry.tries + lossNano;
    entry.generation = this.#mix.generation;
  }

  /**
   * Looks at some more nodes, the cheapest first. All at once would hold everybody up on a large network, and a shape that
   * comes once does not need the best of all nodes but the best of many cheap ones.
   */
  #examine(look: Look): void {
    const ladder = this.#table.ladderOf(this.#wants);
    let found = 0;
    for (let left = nodesAtOnce; left > 0 && found < candidatesAtOnce && look.examinations > 0; left--) {
      const row = ladder.next(this.#climb);
      if (row === undefined) {
        this.#isComplete = true;
        return;
      }
      this.#examined += 1;
      look.examinations -= 1;
      if (this.#add(row, look)) found += 1;
    }
  }

  #follow(look: Look): void {
    for (; this.#lookPosition < look.changed.length; this.#lookPosition++) {
      const node = look.changed[this.#lookPosition];
      if (node !== undefined) this.#add(node.row, look);
    }
  }

  /** The node of the row, if it may do as far as the table can tell: whether it does is seen once it comes to the top. */
  #add(row: number, look: Look): boolean {
    const table = this.#table;
    const node = table.nodes[row];
    if (node === undefined || !table.mayTake(row, this.#wants)) return false;
    const rate = table.estimate(row, this.#price);
    if (rate > this.#ceiling) return false;
    const hasGiven = look.hasGiven(row);
    const tries = table.triesOf(row);
    this.#push({
      node,
      revision: hasGiven ? look.revisionOf(node) : this.#changes.revisionOf(row),
      isChecked: false,
      score: rate * tries + (this.#loss.leastOf(table.kindOf(row)) * table.lossNanoOf(row)) / 1000,
      tries,
      tie: hasGiven ? this.#tieOf(node, look) : table.tieOf(row, this.#wants),
      generation: table.hasDevices(row) ? 0 : nothingToWeigh,
    });
    return true;
  }

  /** Undefined where the node has no room, or may not or need not take the shape. */
  #entryOf(node: NodeRecord, look: Look): Entry | undefined {
    const rate = this.#price.estimate(node);
    if (rate > this.#ceiling || !this.#room.has(node, look)) return undefined;
    return {
      node,
      revision: look.revisionOf(node),
      isChecked: true,
      score: rate * node.tries,
      tries: node.tries,
      tie: this.#tieOf(node, look),
      generation: node.offer.devices.length === 0 ? nothingToWeigh : 0,
    };
  }

  #tieOf(node: NodeRecord, look: Look): number {
    const { devices } = this.#terms.resources;
    return devices === undefined ? look.loadOf(node) : look.deviceRoomOf(node).freeMilli;
  }

  #push(entry: Entry): void {
    this.#heap.push(entry);
    this.#pushes += 1;
    if (this.#pushes <= this.#heap.size + 1024) return;
    // Entries that a change has made untrue lie deep in the heap until somebody looks.
    const look = this.#look;
    this.#pushes = 0;
    this.#heap.keep(
      ({ node, revision }) => revision === node.revision || revision === look?.revisionOf(node),
    );
  }
}
