import type { Resources } from '@capacloud/protocol/capacity/resources';

/** Changed rows that are kept at least: a follower that comes later has to look at all nodes. */
const keptRows = 16_384;
/** Hints that are kept at least: about as many as a follower remembers. They hold more than a number each. */
const keptHints = 1024;

/** The newest items of a list that only grows, each with its position. */
class RecentItems<T> {
  readonly #kept: number;
  #items: T[] = [];
  #first = 0;

  constructor(kept: number) {
    this.#kept = kept;
  }

  /** Position after the newest item. */
  get end(): number {
    return this.#first + this.#items.length;
  }

  push(item: T): void {
    this.#items.push(item);
    if (this.#items.length < 2 * this.#kept) return;
    this.#items = this.#items.slice(this.#kept);
    this.#first += this.#kept;
  }

  /** Calls with each item from the position on that is still kept; false where some are not. */
  follow(position: number, visit: (item: T) => void): boolean {
    for (let i = Math.max(0, position - this.#first); i < this.#items.length; i++) {
      const item = this.#items[i];
      if (item !== undefined) visit(item);
    }
    return position >= this.#first;
  }
}

/** A node, as far as the feed is concerned. */
interface Rowed {
  /** Below 0 while it has none. */
  row: number;
}

/** Tasks that were submitted. The job itself is not kept: it may be large, and has to go when it is settled. */
export interface WorkSeen {
  readonly resources: Resources;
  readonly tasks: number;
}

/** A container of the image has started on the node. */
interface ImageSeen<Node> {
  readonly image: string;
  readonly node: Node;
}

/**
 * An index of what has changed, which whoever remembers something of the state follows from position to position. So the
 * state knows no follower, and a follower that is forgotten leaves nothing behind.
 */
export class ChangeFeed<Node extends Rowed> {
  /** Every node, by its row; undefined in rows that are free. Rows are small, for tables with a column for each fact. */
  readonly nodes: (Node | undefined)[] = [];
  /** Rows whose node is another, or has other room, another offer or another standing. */
  readonly rows = new RecentItems<number>(keptRows);
  /** Rows whose node has let go of its last attempt. */
  readonly idled = new RecentItems<number>(keptRows);
  readonly submitted = new RecentItems<WorkSeen>(keptHints);
  readonly images = new RecentItems<ImageSeen<Node>>(keptHints);
  /** Rises when work or room has come, so that a placement could do what the one before could not. */
  arrivals = 0;
  readonly #freeRows: number[] = [];

  noteNode(node: Node): void {
    if (node.row < 0) {
      node.row = this.#freeRows.pop() ?? this.nodes.length;
      this.nodes[node.row] = node;
    }
    this.rows.push(node.row);
  }

  /** The node is no more: its row goes to the next that comes. */
  forgetNode(node: Node): void {
    const { row } = node;
    if (row < 0) return;
    this.nodes[row] = undefined;
    this.rows.push(row);
    this.#freeRows.push(row);
    node.row = -1;
  }
}
