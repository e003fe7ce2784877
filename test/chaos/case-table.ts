import type { CaseResult } from './run-case.ts';

export interface CaseRow {
  readonly name: string;
  readonly runs: number;
  readonly struck: ReadonlyMap<string, number>;
  readonly tasks: number;
  readonly ends: ReadonlyMap<string, number>;
  readonly attemptsLost: number;
  readonly lost: number;
  readonly paidTwice: number;
  readonly longestOutageMs: number;
}

export function rowOf(name: string, { strikes, tasks, report, longestOutageMs }: CaseResult): CaseRow {
  return {
    name,
    runs: 1,
    struck: strikes,
    tasks,
    ends: report.ends,
    attemptsLost: report.losses.length,
    lost: report.lost,
    paidTwice: report.paidTwice,
    longestOutageMs,
  };
}

/** Several runs of a case, or several cases, as one. */
export function sumOf(name: string, rows: readonly CaseRow[]): CaseRow {
  const sum = (pick: (row: CaseRow) => number) => rows.reduce((total, row) => total + pick(row), 0);
  return {
    name,
    runs: sum(({ runs }) => runs),
    struck: merge(rows.map(({ struck }) => struck)),
    tasks: sum(({ tasks }) => tasks),
    ends: merge(rows.map(({ ends }) => ends)),
    attemptsLost: sum(({ attemptsLost }) => attemptsLost),
    lost: sum(({ lost }) => lost),
    paidTwice: sum(({ paidTwice }) => paidTwice),
    longestOutageMs: Math.max(0, ...rows.map(({ longestOutageMs }) => longestOutageMs)),
  };
}

const columns: readonly { readonly title: string; readonly cell: (row: CaseRow) => string }[] = [
  { title: 'case', cell: ({ name }) => name },
  { title: 'runs', cell: ({ runs }) => String(runs) },
  { title: 'faults', cell: ({ struck }) => String([...struck.values()].reduce((sum, n) => sum + n, 0)) },
  { title: 'tasks', cell: ({ tasks }) => String(tasks) },
  { title: 'succeeded', cell: ({ ends }) => String(ends.get('succeeded') ?? 0) },
  { title: 'failed', cell: failedCell },
  { title: 'cancelled', cell: ({ ends }) => String(ends.get('cancelled') ?? 0) },
  { title: 'attempts lost', cell: ({ attemptsLost }) => String(attemptsLost) },
  { title: 'lost', cell: ({ lost }) => String(lost) },
  { title: 'paid twice', cell: ({ paidTwice }) => String(paidTwice) },
  { title: 'outage', cell: ({ longestOutageMs }) => `${(longestOutageMs / 1000).toFixed(1)} s` },
  {
    title: 'what was done',
    cell: ({ struck }) => [...struck].map(([what, n]) => `${n} × ${what}`).join(', '),
  },
];

/** One line a row; numbers to the right, words to the left. */
export function formatTable(rows: readonly CaseRow[]): string {
  const lines = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ cell }) => cell(row))),
  ];
  const widths = columns.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  const isNumber = columns.map((_, index) => lines.slice(1).every((line) => /^\d/.test(line[index] ?? '')));
  return lines
    .map((line) =>
      line
        .map((text, index) =>
          isNumber[index] === true && index < columns.length - 1
            ? text.padStart(widths[index] ?? 0)
            : text.padEnd(widths[index] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

function failedCell({ ends }: CaseRow): string {
  const failed = [...ends].filter(([end]) => end.startsWith('failed '));
  if (failed.length === 0) return '0';
  return failed.map(([end, count]) => `${count} ${end.slice('failed '.length)}`).join(', ');
}

function merge(counts: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const merged = new Map<string, number>();
  for (const each of counts) for (const [key, count] of each) merged.set(key, (merged.get(key) ?? 0) + count);
  return merged;
}
