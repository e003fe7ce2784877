import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { type Fields, type JsonRecord, type Kind, kindsOf } from './kinds.ts';

interface Field {
  readonly name: string;
  readonly key: string;
  /** What stands before its value, as the first member and as a further one. */
  readonly first: string;
  readonly next: string;
  readonly text: Kind<unknown>['text'];
  readonly value: Kind<unknown>['value'];
}

/** Text that stands in JSON as it is; any other takes the slower way. */
const isSimple = /^[\w.: -]*$/;

/**
 * Writes and reads one type of record. The fields are declared once: which there are, how each is written, and what a text that
 * leaves it out means. Their order in the text follows from their keys, as canonical JSON asks.
 */
export class RecordCodec<R extends object> {
  readonly #fields: readonly Field[];
  readonly #changing: readonly (readonly [name: string, copy: (value: unknown) => unknown])[];

  constructor(fields: Fields<R>) {
    this.#fields = kindsOf(fields)
      .map(([name, { key = name, text, value }]) => ({
        name,
        key,
        first: `"${key}":`,
        next: `,"${key}":`,
        text,
        value,
      }))
      // STATE-1
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    this.#changing = kindsOf(fields).flatMap(([name, { copy }]) =>
      copy === undefined ? [] : [[name, copy]],
    );
  }

  /** The record as it is now, whatever becomes of it. */
  copy(record: R): R {
    const copied = { ...record };
    for (const [name, copy] of this.#changing)
      (copied as Record<string, unknown>)[name] = copy((record as JsonRecord)[name]);
    return copied;
  }

  text(record: R): string {
    return `{${this.between(record, undefined, undefined)}}`;
  }

  /** The members whose keys come after the one and before the other, for a text that has a list among them. */
  between(record: R, after: string | undefined, before: string | undefined): string {
    let members = '';
    for (let i = 0; i < this.#fields.length; i++) {
      const { first, key, name, next, text } = this.#fields[i] as Field;
      if (after !== undefined && key < after) continue;
      if (before !== undefined && key > before) break;
      const value = text((record as JsonRecord)[name]);
      if (value === undefined) continue;
      members += (members === '' ? first : next) + textOf(value);
    }
    return members;
  }

  /** What a text says that this codec, or that of an older release, has written. */
  read(text: JsonRecord): R {
    const record = {} as R;
    this.readInto(record, text);
    return record;
  }

  /** As read, into a record that has more than is written of it. */
  readInto(record: R, text: JsonRecord): void {
    const target = record as Record<string, unknown>;
    for (let i = 0; i < this.#fields.length; i++) {
      const { key, name, value } = this.#fields[i] as Field;
      target[name] = value(text[key]);
    }
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return `${value}`;
  if (typeof value === 'string' && isSimple.test(value)) return `"${value}"`;
  if (Array.isArray(value) && value.length === 0) return '[]';
  return canonicalJson(value);
}
