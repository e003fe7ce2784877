import type { LogGroup, RowBatch } from '../ports/log.ts';
import type { CommittedEvent } from '../ports/sequencer.ts';

/** The commands that become durable together. */
export class Group {
  readonly #first: number;
  readonly #events: CommittedEvent[] = [];
  readonly #told: (() => void)[] = [];
  #lines = '';
  #bytes = 0;
  #rows: readonly RowBatch[] = [];
  #outcomes = 0;

  constructor(first: number) {
    this.#first = first;
  }

  get events(): readonly CommittedEvent[] {
    return this.#events;
  }
  get count(): number {
    return this.#events.length;
  }
  /** About: code units, of which nearly all are one byte. */
  get bytes(): number {
    return this.#bytes;
  }
  get outcomes(): number {
    return this.#outcomes;
  }
  get isEmpty(): boolean {
    return this.#events.length === 0 && this.#told.length === 0;
  }
  get hasRows(): boolean {
    return this.#rows.length > 0;
  }

  add(event: CommittedEvent, entry: string): void {
    this.#lines = this.#events.length === 0 ? entry : `${this.#lines}\n${entry}`;
    this.#bytes += entry.length;
    this.#events.push(event);
  }

  addOutcome<T>(outcome: T, tell: (outcome: T) => void): void {
    this.#outcomes += 1;
    this.addWaiter(() => {
      tell(outcome);
    });
  }

  addWaiter(tell: () => void): void {
    this.#told.push(tell);
  }

  seal(rows: readonly RowBatch[]): void {
    this.#rows = rows;
  }

  forLog(): LogGroup {
    return { first: this.#first, lines: this.#lines, count: this.#events.length, rows: this.#rows };
  }

  /** In order of submission. */
  tell(): void {
    for (const tell of this.#told) tell();
  }
}
