/** Nodes that ask the same prices: a shape of task costs the same on each, so it is priced once. Derived. */
export interface AskClass {
  readonly key: string;
  readonly cpuHourNano: bigint;
  readonly memoryGibHourNano: bigint;
  readonly diskGibHourNano: bigint;
  readonly deviceHourNano: bigint;
  /** The same prices in floating point. */
  readonly hourNano: {
    readonly cpu: number;
    readonly memoryGib: number;
    readonly diskGib: number;
    readonly device: number;
  };
  /** What interruptible tasks pay less; undefined where they are none but tasks like others. */
  readonly discountPercent: number | undefined;
  members: number;
}
