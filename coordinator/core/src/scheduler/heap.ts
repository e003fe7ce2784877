/** A binary heap: the item that comes before all others is on top. */
export class Heap<T> {
  readonly #comesBefore: (a: T, b: T) => boolean;
  #items: T[] = [];

  constructor(comesBefore: (a: T, b: T) => boolean) {
    this.#comesBefore = comesBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  get top(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let i = items.length;
    items.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = items[parent];
      if (above === undefined || !this.#comesBefore(item, above)) break;
      items[i] = above;
      i = parent;
    }
    items[i] = item;
  }

  removeTop(): void {
    const last = this.#items.pop();
    if (last === undefined || this.#items.length === 0) return;
    this.#items[0] = last;
    this.sink();
  }

  /** Only what is kept stays. */
  keep(isKept: (item: T) => boolean): void {
    this.#items = this.#items.filter(isKept);
    for (let i = (this.#items.length >> 1) - 1; i >= 0; i--) this.sink(i);
  }

  clear(): void {
    this.#items = [];
  }

  /** After the item there, by default on top, has come to be further back. */
  sink(start = 0): void {
    const items = this.#items;
    const item = items[start];
    if (item === undefined) return;
    let i = start;
    for (;;) {
      let child = 2 * i + 1;
      let below = items[child];
      if (below === undefined) break;
      const other = items[child + 1];
      if (other !== undefined && this.#comesBefore(other, below)) {
        below = other;
        child += 1;
      }
      if (!this.#comesBefore(below, item)) break;
      items[i] = below;
      i = child;
    }
    items[i] = item;
  }
}
