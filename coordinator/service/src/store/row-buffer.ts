import type { RowBatch } from '../ports/log.ts';
import { type RowShapeName, rowShapeNames } from './row-shapes.ts';

/** Null among numbers. */
export const nothing = Number.NaN;
const least64 = -(2n ** 63n);
const most64 = 2n ** 63n - 1n;

/** Collects rows of one shape. Values stand in the order of its columns. */
export class RowBuffer {
  readonly name: RowShapeName;
  #rows = 0;
  #numbers: number[] = [];
  #amounts: bigint[] = [];
  #texts: (string | null)[] = [];

  constructor(name: RowShapeName) {
    this.name = name;
  }

  get rows(): number {
    return this.#rows;
  }

  /** NaN is null. */
  add(
    numbers: readonly number[],
    amounts: readonly bigint[] = [],
    texts: readonly (string | null)[] = [],
  ): void {
    for (let i = 0; i < numbers.length; i++) this.#numbers.push(numbers[i] as number);
    for (let i = 0; i < amounts.length; i++) {
      const amount = amounts[i] as bigint;
      // A 64-bit array would wrap, and a balance with it.
      if (amount < least64 || amount > most64) throw new RangeError('an amount does not fit 64 bits');
      this.#amounts.push(amount);
    }
    for (let i = 0; i < texts.length; i++) this.#texts.push(texts[i] as string | null);
    this.#rows += 1;
  }

  take(): RowBatch {
    const batch: RowBatch = {
      statement: this.name,
      rows: this.#rows,
      numbers: Float64Array.from(this.#numbers),
      amounts: BigInt64Array.from(this.#amounts),
      texts: this.#texts,
    };
    this.#rows = 0;
    this.#numbers = [];
    this.#amounts = [];
    this.#texts = [];
    return batch;
  }
}

export type RowBuffers = { readonly [N in RowShapeName]: RowBuffer };

export function createRowBuffers(): RowBuffers {
  return Object.fromEntries(rowShapeNames.map((name) => [name, new RowBuffer(name)])) as RowBuffers;
}
