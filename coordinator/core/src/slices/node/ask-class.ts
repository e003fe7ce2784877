import type { AskNano } from './price.ts';

/** Nodes that ask the same prices: a shape of task costs the same on each, so it is priced once. Derived. */
export interface AskClass extends AskNano {
  readonly key: string;
  /** The same prices in floating point: of each dimension, and of a device. */
  readonly dimensionNano: readonly number[];
  readonly deviceNano: number;
  /** What interruptible tasks pay less; undefined where they are tasks like others. */
  readonly discountPercent: number | undefined;
  members: number;
}
