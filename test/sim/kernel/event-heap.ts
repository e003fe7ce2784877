import type { HeapEvent } from './actor.ts';

/** Binary heap, ordered by (time, sequence): so the order of events at one time is that of their making. */
export class EventHeap {
  readonly #events: HeapEvent[] = [];

  get size(): number {
    return this.#events.length;
  }

  push(event: HeapEvent): void {
    const events = this.#events;
    let at = events.length;
    events.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = events[parent] as HeapEvent;
      if (!isBefore(event, above)) break;
      events[at] = above;
      at = parent;
    }
    events[at] = event;
  }

  pop(): HeapEvent | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= events.length) break;
      const right = child + 1;
      if (right < events.length && isBefore(events[right] as HeapEvent, events[child] as HeapEvent))
        child = right;
      const below = events[child] as HeapEvent;
      if (!isBefore(below, last)) break;
      events[at] = below;
      at = child;
    }
    events[at] = last;
    return first;
  }
}

function isBefore(one: HeapEvent, other: HeapEvent): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.sequence < other.sequence);
}
