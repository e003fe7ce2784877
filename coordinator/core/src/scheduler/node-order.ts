import { deviceMilli } from '@capacloud/protocol/resources';
import type { JobTerms } from '../command.ts';
import { hash32 } from '../hash32.ts';
import { isSoldInterruptible } from '../node/asks.ts';
import { fits, isOpen } from '../node/capacity.ts';
import type { NodeRecord, Task } from '../state.ts';
import { hasDevices, isAllowed, isKeptFrom } from './feasibility.ts';
import { Heap } from './heap.ts';
import type { Assignment, Look } from './look.ts';
import type { NodeChanges } from './node-changes.ts';
import { ShapePrice } from './shape-price.ts';
import type { TaskMix } from './task-mix.ts';

/**
 * What a device costs besides, for each time that it is wanted more than the average, as a part of its price: those that
 * particular tasks wait for are given to others last. Measured on the 2023 trace: 0.05 is too little, 0.2 to 0.5 are alike.
 */
const scarcityWeight = 0.25;
/** Nodes looked at for each task of a shape until all have been. */
const nodesAtOnce = 32;
/** More than there are nodes are not followed one by one: it is as well to begin anew. */
const fewChanges = 256;
const noDevices: readonly string[] = [];
/** The node has no devices, so nothing has to be weighed. */
const nothingToWeigh = -1;
/** What a node that has the image already may cost more: pulling it again takes its time, too. */
const presenceWorth = 0.05;

/** A node that has room for the shape, as it was at a revision; the next change makes another entry. */
interface Entry {
  readonly node: NodeRecord;
  readonly revision: number;
  /** nano-CAPA an hour: its price, for as often as the task has to be tried there, and once weighed what the placement makes unusable. */
  score: number;
  /** Of the node, as it was: the steadier goes first where scores are equal. */
  readonly tries: number;
  /** The lower goes first where these are equal, too. */
  readonly tie: number;
  /** Of the mix, when it was weighed; 0 before. */
  generation: number;
}

export type Standing = Pick<Entry, 'node' | 'score' | 'tries' | 'tie'>;

/**
 * Nodes for tasks of one shape, the best first: the price of the task, and the price of the devices that no task of the
 * late mix could use beside it any more. Kept from look to look, and brought up to date by the nodes that have changed.
 * What a placement makes unusable is dear to tell and never less than nothing, so only who comes to the top is weighed.
 */
export class NodeOrder {
  readonly #terms: JobTerms;
  readonly #mix: TaskMix;
  readonly #changes: NodeChanges;
  readonly #heap = new Heap<Entry>(comesBefore);
  /** Position in the changes up to which it is right; undefined before it was begun. */
  #position: number | undefined;
  /** Nodes of the roster that have been examined, from `#start` on and round; of so many. */
  #examined = 0;
  #roster = 0;
  readonly #start: number;
  readonly #maxRateNano: bigint;
  /** A little above, for estimates. */
  readonly #ceiling: number;
  readonly #price: ShapePrice;
  #pushes = 0;
  #look: Look | undefined;
  #lookPosition = 0;
  /** Taken out in the last look, which a decision that was not carried out leaves as they were. */
  #taken: Entry[] = [];

  constructor(shape: string, terms: JobTerms, mix: TaskMix, changes: NodeChanges) {
    this.#terms = terms;
    this.#price = new ShapePrice(terms);
    this.#mix = mix;
    this.#changes = changes;
    // Not all begin with the same nodes.
    this.#start = hash32(shape);
    this.#maxRateNano = terms.maxRateNano;
    this.#ceiling = Number(this.#maxRateNano) * (1 + Number.EPSILON * 8) + 1;
  }

  get size(): number {
    return this.#heap.size;
  }

  isExhausted(): boolean {
    if (this.#look !== undefined) this.#follow(this.#look);
    return this.#heap.size === 0 && this.#isComplete;
  }

  get #isComplete(): boolean {
    return this.#examined >= this.#roster;
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
    const isWorthIt = known !== undefined && end - known <= Math.max(fewChanges, this.#roster);
    if (isWorthIt && this.#changes.follow(known, (node) => this.#add(node, look))) {
      look.examinations -= end - known;
      for (const entry of taken) if (entry.revision === entry.node.revision) this.#push(entry);
    } else {
      this.#heap.clear();
      this.#examined = 0;
      this.#roster = this.#changes.roster.length;
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
    const devices = look.devicesFor(node, this.#terms.resources) ?? noDevices;
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
    const { resources } = this.#terms;
    const devices = look.devicesFor(node, resources) ?? noDevices;
    const milli = deviceMilli(resources.devices);
    const space = look.spaceOf(node);
    const before = this.#mix.fillOf(node, entry.revision, space);
    space.slots -= 1;
    space.cpuMilli -= resources.cpuMilli;
    space.memoryBytes -= resources.memoryBytes;
    for (const [i, { id }] of space.devices.entries())
      if (devices.includes(id)) space.freeMilli[i] = (space.freeMilli[i] ?? 0) - milli;
    // Sequences may happen to fill more beside it than without it; that is luck, and nothing is gained by it.
    let lostMilli = Math.max(0, before - this.#mix.expectedFill(space) - devices.length * milli);
    for (const device of node.offer.devices)
      if (devices.includes(device.id)) lostMilli += scarcityWeight * milli * this.#mix.kindOf(device).load;
    const hourNano = Math.max(1, node.askClass?.hourNano.device ?? 0);
    entry.score = this.#price.estimate(node) * entry.tries + (lostMilli * hourNano) / 1000;
    entry.generation = this.#mix.generation;
  }

  /**
   * Looks at some more nodes. All at once would hold everybody up on a large network, and a shape that comes once does
   * not need the best of all nodes but the best of many.
   */
  #examine(look: Look): void {
    const { roster } = this.#changes;
    for (let left = nodesAtOnce; left > 0 && !this.#isComplete && look.examinations > 0; left--) {
      const node = roster[(this.#start + this.#examined) % this.#roster];
      this.#examined += 1;
      look.examinations -= 1;
      if (node !== undefined) this.#add(node, look);
    }
  }

  #follow(look: Look): void {
    for (; this.#lookPosition < look.changed.length; this.#lookPosition++) {
      const node = look.changed[this.#lookPosition];
      if (node !== undefined) this.#add(node, look);
    }
  }

  #add(node: NodeRecord, look: Look): void {
    if (!isOpen(node)) return;
    const entry = this.#entryOf(node, look);
    if (entry !== undefined) this.#push(entry);
  }

  /** Undefined where the node has no room, or may not or need not take the shape. */
  #entryOf(node: NodeRecord, look: Look): Entry | undefined {
    const { resources } = this.#terms;
    if (!fits(look.freeOf(node), resources) || !isAllowed(node, this.#terms)) return undefined;
    const rate = this.#price.estimate(node);
    if (rate > this.#ceiling) return undefined;
    const { devices } = resources;
    if (devices !== undefined && !hasDevices(node.offer, devices, (id) => look.usedMilli(node, id)))
      return undefined;
    return {
      node,
      revision: look.revisionOf(node),
      score: rate * node.tries,
      tries: node.tries,
      tie: devices === undefined ? look.loadOf(node) : look.freeMilliOf(node),
      generation: node.offer.devices.length === 0 ? nothingToWeigh : 0,
    };
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

export function comesBefore(a: Standing, b: Standing): boolean {
  if (a.score !== b.score) return a.score < b.score;
  if (a.tries !== b.tries) return a.tries < b.tries;
  return a.tie < b.tie || (a.tie === b.tie && a.node.id < b.node.id);
}
