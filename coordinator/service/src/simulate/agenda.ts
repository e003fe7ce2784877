import { Heap } from '@capacloud/core/scheduler/heap';

interface Entry {
  readonly at: number;
  readonly seq: number;
  readonly act: () => void;
}

/** What is going to happen, by its time; at one time in the order in which it was planned. */
export class Agenda {
  readonly #entries = new Heap<Entry>((a, b) => a.at < b.at || (a.at === b.at && a.seq < b.seq));
  #seq = 0;

  plan(at: number, act: () => void): void {
    this.#seq += 1;
    this.#entries.push({ at, seq: this.#seq, act });
  }

  /** Infinity when nothing is planned. */
  get nextAt(): number {
    return this.#entries.top?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Does everything that is planned for that time or before, also what is planned for it meanwhile. */
  actUntil(at: number): void {
    for (let next = this.#entries.top; next !== undefined && next.at <= at; next = this.#entries.top) {
      this.#entries.removeTop();
      next.act();
    }
  }
}
