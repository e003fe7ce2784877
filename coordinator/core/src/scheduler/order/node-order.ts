import type { JobTerms } from '../../contract/command.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { Task } from '../../slices/attempt/record.ts';
import type { Job } from '../../slices/job/record.ts';
import { isSoldInterruptible } from '../../slices/node/asks.ts';
import type { NodeRecord } from '../../slices/node/record.ts';
import { Heap } from '../heap.ts';
import type { Keepings } from '../keepings.ts';
import type { Assignment, Look } from './look.ts';
import type { NodeChanges } from './node-changes.ts';
import { comesBefore, type Entry, type Standing } from './node-entry.ts';
import type { NodeTable } from './node-table.ts';
import { foot } from './price-ladder.ts';
import { type Indexes, ShapeScores } from './shape-scores.ts';

/** Looked at for each task of a shape until all have been: so many nodes at most, and so many that may do. */
const nodesAtOnce = 256;
const candidatesAtOnce = 8;
/** More than this, and than the nodes that were looked at, are not followed one by one: it is as well to begin anew. */
const fewChanges = 64;
/** What a node of an owner who has fewer tasks of the job may cost more, and among how many such a one is sought. */
const spreadWorth = 0.02;
const spreadAmong = 8;
/** After nobody else was found, so many tasks go without a search. */
const spreadPause = 32;
/** What a node that has the image already may cost more: pulling it again takes its time, too. */
const presenceWorth = 0.05;

/**
 * Nodes for tasks of one shape, the best first: the price of the task, and the price of the devices that no task of the
 * late mix could use beside it any more. Kept from look to look, and brought up to date by the nodes that have changed.
 * What a placement makes unusable is dear to tell and never less than nothing, so only who comes to the top is weighed.
 */
export class NodeOrder {
  readonly #terms: JobTerms;
  readonly #changes: NodeChanges;
  readonly #table: NodeTable;
  readonly #keepings: Keepings;
  readonly #heap = new Heap<Entry>(comesBefore);
  /** Position in the changes up to which it is right; undefined before it was begun. */
  #position: number | undefined;
  /** How far the nodes have been looked at, and how many of them. */
  #climb = foot();
  #examined = 0;
  #isComplete = false;
  readonly #scores: ShapeScores;
  #pushes = 0;
  #spreadAgainIn = 0;
  #look: Look | undefined;
  #lookPosition = 0;
  /** Taken out in the last look for that look alone: the node was going away, or was kept for another job. */
  #taken: Entry[] = [];

  constructor(terms: JobTerms, indexes: Indexes) {
    this.#terms = terms;
    this.#changes = indexes.changes;
    this.#table = indexes.table;
    this.#keepings = indexes.keepings;
    this.#scores = new ShapeScores(terms, indexes);
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
      for (const entry of taken) if (this.#isTrue(entry)) this.#push(entry);
    } else {
      this.#heap.clear();
      this.#examined = 0;
      this.#climb = foot();
      this.#isComplete = false;
    }
    this.#follow(look);
  }

  /**
   * The best node for a task of the job, or one that is nearly as good: of `near`, or of an owner who has fewer of its
   * tasks. Its share of the node is given away in the look.
   */
  take(
    task: ReadOnly<Task>,
    job: ReadOnly<Job>,
    near: readonly ReadOnly<NodeRecord>[],
  ): Assignment | undefined {
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
    best = this.#nearest(this.#spread(best, task, job, look), near, task, look);
    const { node } = best;
    look.busy.node = node.id;
    const devices = look.devicesFor(node, this.#terms.resources);
    look.give(job, node, this.#terms.resources, devices);
    const isInterruptible = isSoldInterruptible(node, this.#terms);
    return { task, node, devices, rateNano: `${this.#scores.rateOn(node)}`, isInterruptible };
  }

  /** Where the node stands in the order, weighed; undefined where it has no room for a task. */
  standingOf(node: ReadOnly<NodeRecord>, look: Look): Standing | undefined {
    const entry = this.#scores.entryOf(node, look);
    if (entry !== undefined && this.#scores.mustWeigh(entry)) this.#scores.weigh(entry, look);
    return entry;
  }

  /** Takes the first entry out that is true, weighed and not shunned by the task; those shunned go aside. */
  #first(look: Look, task: ReadOnly<Task>, shunned: Entry[]): Entry | undefined {
    for (let top = this.#heap.top; top !== undefined; top = this.#heap.top) {
      const { node } = top;
      look.busy.node = node.id;
      if (top.revision !== look.revisionOf(node)) {
        this.#heap.removeTop();
        continue;
      }
      if (!top.isChecked) {
        if (!this.#scores.hasRoom(node, look)) {
          this.#heap.removeTop();
          continue;
        }
        top.isChecked = true;
      }
      if (look.excluded.has(node.id) || this.#keepings.keepsFrom(node, task.job, this.#terms)) {
        this.#heap.removeTop();
        this.#taken.push(top);
        continue;
      }
      if (this.#scores.mustWeigh(top) && look.weighings > 0) {
        look.weighings -= 1;
        this.#scores.weigh(top, look);
        this.#heap.sink();
        continue;
      }
      this.#heap.removeTop();
      if (!this.#scores.isAffordable(node)) continue;
      // A task that was never tried shuns nobody.
      // guard: one attempt of a task on a node
      if (task.attempt === 0 || !(task.avoid.includes(node.id) || node.occupied.has(task.id))) return top;
      shunned.push(top);
    }
    return undefined;
  }

  /**
   * Where an owner has more than a quarter of the job's tasks, of some nodes that are nearly as good the one whose owner has
   * the fewest: no one owner shall fail a job.
   */
  #spread(best: Entry, task: ReadOnly<Task>, job: ReadOnly<Job>, look: Look): Entry {
    let fewest = look.tasksWith(job, best.node.provider);
    if (fewest * 4 <= job.tasks.length || job.tasks.length === 1) return best;
    if (this.#spreadAgainIn > 0) {
      this.#spreadAgainIn -= 1;
      return best;
    }
    const others: Entry[] = [];
    let chosen = best;
    let isAlone = true;
    while (others.length < spreadAmong) {
      const next = this.#first(look, task, others);
      if (next === undefined) break;
      others.push(next);
      if (next.score > best.score * (1 + spreadWorth)) break;
      if (next.node.provider === best.node.provider) continue;
      isAlone = false;
      const tasks = look.tasksWith(job, next.node.provider);
      if (tasks >= fewest) continue;
      chosen = next;
      fewest = tasks;
    }
    if (isAlone) this.#spreadAgainIn = spreadPause;
    if (chosen !== best) others.push(best);
    for (const entry of others) if (entry !== chosen) this.#push(entry);
    return chosen;
  }

  /** Of those that have the image the best, where it is worth it; the best of all is left for others then. */
  #nearest(best: Entry, near: readonly ReadOnly<NodeRecord>[], task: ReadOnly<Task>, look: Look): Entry {
    let nearest: Entry | undefined;
    for (const node of near) {
      if (node === best.node) return best;
      if (look.weighings <= 0 || !this.#mayTake(node, task, look)) continue;
      const entry = this.#scores.entryOf(node, look);
      if (entry === undefined || !this.#scores.isAffordable(node)) continue;
      if (this.#scores.mustWeigh(entry)) {
        look.weighings -= 1;
        this.#scores.weigh(entry, look);
      }
      if (entry.score > best.score * (1 + presenceWorth)) continue;
      if (nearest === undefined || comesBefore(entry, nearest)) nearest = entry;
    }
    if (nearest === undefined) return best;
    this.#push(best);
    return nearest;
  }

  #mayTake(node: ReadOnly<NodeRecord>, task: ReadOnly<Task>, look: Look): boolean {
    if (look.excluded.has(node.id) || this.#keepings.keepsFrom(node, task.job, this.#terms)) return false;
    return !task.avoid.includes(node.id) && !node.occupied.has(task.id);
  }

  /**
   * Looks at some more nodes, the cheapest first. All at once would hold everybody up on a large network, and a shape that
   * comes once does not need the best of all nodes but the best of many cheap ones.
   */
  #examine(look: Look): void {
    const ladder = this.#table.ladderOf(this.#scores.wants);
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

  #add(row: number, look: Look): boolean {
    const entry = this.#scores.candidate(row, look);
    if (entry !== undefined) this.#push(entry);
    return entry !== undefined;
  }

  /** It tells of the node as it is, plans of the look aside. */
  #isTrue({ node, revision }: Entry): boolean {
    return revision === this.#changes.revisionOf(node.row);
  }

  #push(entry: Entry): void {
    this.#heap.push(entry);
    this.#pushes += 1;
    if (this.#pushes <= this.#heap.size + 1024) return;
    // Entries that a change has made untrue lie deep in the heap until somebody looks.
    const look = this.#look;
    this.#pushes = 0;
    this.#heap.keep((entry) => this.#isTrue(entry) || entry.revision === look?.revisionOf(entry.node));
  }
}
