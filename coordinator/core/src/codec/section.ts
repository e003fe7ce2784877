import type { Event } from '../contract/event.ts';
import type { RecordCodec } from './record-codec.ts';

export interface Layout {
  /** The most records in a piece of text. */
  readonly itemsPerPiece: number;
  /** Between the records of a list. */
  readonly comma: string;
}

/** A list of the state as it was when a capture began. Each slice writes its own. */
export interface Section {
  /** Of the list in the text. */
  readonly key: string;
  /** The state is about to change by the event: what it changes and is not written yet has to be taken now. */
  keep(event: Event): void;
  pieces(layout: Layout): Generator<string, void, undefined>;
}

/** Records that are written one after the other while the live ones change. */
export class CapturedRecords<R extends object> {
  readonly #codec: RecordCodec<R>;
  readonly #records: Iterable<R>;
  readonly #old = new Map<R, R>();
  #isWritten = false;

  constructor(codec: RecordCodec<R>, records: Iterable<R>) {
    this.#codec = codec;
    this.#records = records;
  }

  /** The record is about to change; undefined where there is none. */
  keep(record: R | undefined): void {
    if (record === undefined || this.#isWritten || this.#old.has(record)) return;
    // STATE-2
    this.#old.set(record, this.#codec.copy(record));
  }

  *pieces({ itemsPerPiece, comma }: Layout): Generator<string, void, undefined> {
    let text = '';
    let count = 0;
    for (const record of this.#records) {
      text += `${count === 0 ? '' : comma}${this.#codec.text(this.#old.get(record) ?? record)}`;
      count += 1;
      if (count % itemsPerPiece !== 0) continue;
      yield text;
      text = '';
    }
    this.#isWritten = true;
    this.#old.clear();
    yield text;
  }
}
