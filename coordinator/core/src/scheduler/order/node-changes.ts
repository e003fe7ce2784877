const kept = 16_384;

/** Which rows of the table of nodes have changed, in order, so that indexes of them follow without looking at all. */
export class NodeChanges {
  #log: number[] = [];
  #first = 0;
  #plans = 0;
  /** Revision of each row: the position after its newest change. */
  readonly #revisions: number[] = [];

  /** Position after the newest change. */
  get end(): number {
    return this.#first + this.#log.length;
  }

  /** The new revision of the row. */
  note(row: number): number {
    this.#log.push(row);
    const { end } = this;
    this.#revisions[row] = end;
    if (this.#log.length >= 2 * kept) {
      this.#log = this.#log.slice(kept);
      this.#first += kept;
    }
    return end;
  }

  revisionOf(row: number): number {
    return this.#revisions[row] ?? 0;
  }

  /** A revision for what is only planned; no node has it. */
  nextPlan(): number {
    this.#plans -= 1;
    return this.#plans;
  }

  /** Calls with each row that has changed since the position, once; false when that is too long ago to tell. */
  follow(position: number, visit: (row: number) => void): boolean {
    if (position < this.#first) return false;
    for (let i = position - this.#first; i < this.#log.length; i++) {
      const row = this.#log[i];
      if (row !== undefined && this.#revisions[row] === this.#first + i + 1) visit(row);
    }
    return true;
  }
}
