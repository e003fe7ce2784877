/** One benchmark: a figure, the peer or limit that it is held against, measured in the same run, and the ratio. */
export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  run(options: BenchmarkOptions): Promise<BenchmarkResult>;
}

export interface BenchmarkOptions {
  readonly quick: boolean;
  /** For `trace`: tasks that are known by name, or a file of them; and how many seeds are run of each. */
  readonly tasks?: string;
  readonly seeds?: number;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What was asked for cannot be measured; the message says what can. */
export class BenchmarkRefusal extends Error {
  override readonly name = 'BenchmarkRefusal';
}

export interface BenchmarkResult {
  /** What was measured, in order, for people and machines. */
  readonly figures: readonly { readonly name: string; readonly value: number; readonly unit: string }[];
  readonly ratios: readonly {
    readonly name: string;
    readonly value: number;
    readonly target: number;
    readonly better: 'higher' | 'lower';
  }[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
