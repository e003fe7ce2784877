import { invariant } from './assert.ts';

interface Bucket<T> {
  readonly second: number;
  head: T | undefined;
}

/** What a wheel needs of the things it holds; a thing is in one wheel at a time. */
export interface Clocked<T> {
  /** Unix milliseconds; 0 while in no wheel. */
  dueAt: number;
  bucket: Bucket<T> | undefined;
  clockPrev: T | undefined;
  clockNext: T | undefined;
}

/**
 * Deadlines, bucketed by second. Adding and removing link and unlink (no hashing of ids), so that a clock that
 * never fires costs a few nanoseconds; asking what is due costs what is due. Derived: never in a snapshot.
 */
export class ClockWheel<T extends Clocked<T>> {
  readonly #buckets = new Map<number, Bucket<T>>();
  /** Min-heap of the seconds of buckets; may hold seconds whose bucket is gone. */
  #seconds: number[] = [];
  /** Of all things held; undefined when it must be looked for again. */
  #earliest: number | undefined = Number.POSITIVE_INFINITY;

  size = 0;

  add(item: T, dueAt: number): void {
    invariant(item.bucket === undefined, 'a deadline is set twice');
    const second = Math.floor(dueAt / 1000);
    let bucket = this.#buckets.get(second);
    if (bucket === undefined) {
      bucket = { second, head: undefined };
      this.#buckets.set(second, bucket);
      this.#push(second);
    }
    if (this.#earliest !== undefined && dueAt < this.#earliest) this.#earliest = dueAt;
    item.dueAt = dueAt;
    item.bucket = bucket;
    item.clockPrev = undefined;
    item.clockNext = bucket.head;
    if (bucket.head !== undefined) bucket.head.clockPrev = item;
    bucket.head = item;
    this.size += 1;
  }

  remove(item: T): void {
    const bucket = item.bucket;
    if (bucket === undefined) return;
    if (item.dueAt === this.#earliest) this.#earliest = undefined;
    if (item.clockPrev === undefined) bucket.head = item.clockNext;
    else item.clockPrev.clockNext = item.clockNext;
    if (item.clockNext !== undefined) item.clockNext.clockPrev = item.clockPrev;
    item.bucket = undefined;
    item.clockPrev = undefined;
    item.clockNext = undefined;
    item.dueAt = 0;
    this.size -= 1;
    if (bucket.head === undefined) this.#drop(bucket.second);
  }

  /**
   * What has dueAt ≤ at, in no particular order. Whole seconds are read, the earliest first, until there are at
   * least `enough`. The wheel is not changed.
   */
  due(at: number, enough: number): T[] {
    const found: T[] = [];
    if (at < this.earliest()) return found;
    for (const second of this.#secondsTo(Math.floor(at / 1000))) {
      if (found.length >= enough) break;
      for (let item = this.#buckets.get(second)?.head; item !== undefined; item = item.clockNext) {
        if (item.dueAt <= at) found.push(item);
      }
    }
    return found;
  }

  /** The earliest deadline; Infinity when there is none. */
  earliest(): number {
    if (this.#earliest !== undefined) return this.#earliest;
    let earliest = Number.POSITIVE_INFINITY;
    for (
      let item = this.#buckets.get(this.#seconds[0] ?? 0)?.head;
      item !== undefined;
      item = item.clockNext
    ) {
      if (item.dueAt < earliest) earliest = item.dueAt;
    }
    this.#earliest = earliest;
    return earliest;
  }

  /** Seconds up to `last` that have a bucket, each once, rising. */
  #secondsTo(last: number): number[] {
    const found = new Set<number>();
    const stack = [0];
    for (let i = stack.pop(); i !== undefined; i = stack.pop()) {
      const second = this.#seconds[i];
      // In a min-heap nothing below a later second is earlier.
      if (second === undefined || second > last) continue;
      if (this.#buckets.has(second)) found.add(second);
      stack.push(2 * i + 1, 2 * i + 2);
    }
    return [...found].sort((a, b) => a - b);
  }

  #drop(second: number): void {
    this.#buckets.delete(second);
    while (this.#seconds.length > 0 && !this.#buckets.has(this.#seconds[0] ?? 0)) this.#pop();
    // Far deadlines come and go without ever reaching the top: keep the heap no larger than what it serves.
    if (this.#seconds.length > 2 * this.#buckets.size + 64) {
      // A sorted array is a heap.
      this.#seconds = [...this.#buckets.keys()].sort((a, b) => a - b);
    }
  }

  #push(second: number): void {
    const heap = this.#seconds;
    let i = heap.length;
    heap.push(second);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] ?? 0;
      if (above <= second) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = second;
  }

  #pop(): void {
    const heap = this.#seconds;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child += 1;
      const below = heap[child] ?? 0;
      if (below >= last) break;
      heap[i] = below;
      i = child;
    }
    heap[i] = last;
  }
}
