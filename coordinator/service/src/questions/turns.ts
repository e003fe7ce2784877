import { setImmediate as nextTurn } from 'node:timers/promises';

/** Units of work in one turn of the event loop: some milliseconds. */
const workPerTurn = 250;

/** Lets others have their turn while one looks at every node. A node counts as one unit, and so does what runs there. */
export class Turns {
  readonly #signal: AbortSignal | undefined;
  #work = 0;

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  async did(units: number): Promise<void> {
    this.#work += units;
    if (this.#work < workPerTurn) return;
    this.#work = 0;
    await nextTurn(undefined, this.#signal === undefined ? {} : { signal: this.#signal });
  }
}
