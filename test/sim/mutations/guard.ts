import type { FaultKind } from '../world/plan.ts';

/** A line of the product that keeps a promise, and how it looks when it is taken away. */
export interface Guard {
  /** As in the mark above the line: `// guard: NAME`. */
  readonly name: string;
  /** What goes wrong without it. */
  readonly why: string;
  /** The part of the line that is the guard, which the line holds exactly once; the whole line where absent. */
  readonly find?: string;
  /** What stands in its place when it is taken away; nothing where absent. */
  readonly replace?: string;
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

const markLine = /^ *\/\/ guard: (.+)$/;

/** The guards that a source marks, in order. */
export function markedGuards(source: string): readonly string[] {
  return source.split('\n').flatMap((line) => markLine.exec(line)?.[1] ?? []);
}

/** The source without its guard; undefined when it is not marked exactly once, or the line does not hold what the entry says. */
export function withoutGuard(
  source: string,
  { name, find, replace = '' }: Pick<Guard, 'name' | 'find' | 'replace'>,
): string | undefined {
  if (markedGuards(source).filter((marked) => marked === name).length !== 1) return undefined;
  const lines = source.split('\n');
  const mark = lines.findIndex((line) => markLine.exec(line)?.[1] === name);
  // Several guards may be marked above one line.
  const at = lines.findIndex((line, index) => index > mark && !markLine.test(line));
  const line = lines[at] ?? '';
  const [before = '', after, ...others] = find === undefined ? ['', ''] : line.split(find);
  const changed = `${before}${replace}${after}`;
  if (after === undefined || others.length > 0 || changed.trim() === line.trim()) return undefined;
  return lines.with(at, changed).join('\n');
}
