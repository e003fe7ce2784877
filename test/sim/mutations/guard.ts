import type { FaultKind } from '../world/plan.ts';

/** A line of the product that keeps a promise, and how it looks when it is taken away. */
export interface Guard {
  readonly name: string;
  /** What goes wrong without it. */
  readonly why: string;
  /** From the top of the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What must go wrong for it to be missed: seeds that have all of this are tried first. */
  readonly faults?: readonly FaultKind[];
  /** Machines at most. */
  readonly machines?: number;
  /** Only jobs that overrun, take long, or are cancelled twice show it. */
  readonly stubborn?: boolean;
  /** Only jobs that ruin GPUs show it. */
  readonly ruinous?: boolean;
  /** In the seeds that it gets some jobs are alike but for their wishes. */
  readonly kindred?: boolean;
  /** In the seeds that it gets machines are of two architectures, and images are made for one. */
  readonly mixed?: boolean;
  /** In the seeds that it gets many jobs may be stopped for others. */
  readonly interruptible?: boolean;
}

/** The source without its guard; undefined when `find` is not there exactly once, for then the list is stale. */
export function withoutGuard(source: string, { find, replace }: Guard): string | undefined {
  const first = source.indexOf(find);
  if (first === -1 || source.indexOf(find, first + 1) !== -1 || find === replace) return undefined;
  return source.slice(0, first) + replace + source.slice(first + find.length);
}
