import { clip, type Output, widthOf } from './terminal.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** Gives way first when the terminal is narrow; never below 8 columns. */
  readonly shrinks?: true;
}

const gutter = '  ';
const leastWidth = 8;

/** Aligned columns under dim titles. A column that is empty in every row is left out. */
export function writeTable(
  output: Output,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): void {
  const used = columns
    .map((column, index) => ({ column, index }))
    .filter(({ index }) => rows.some((row) => (row[index] ?? '') !== ''));
  const widths = used.map(({ column, index }) =>
    Math.max(column.title.length, ...rows.map((row) => widthOf(row[index] ?? ''))),
  );
  shrink(
    widths,
    used.map(({ column }) => column),
    output.columns,
  );
  const line = (cells: readonly string[]) =>
    `${cells
      .map((cell, index) =>
        pad(clip(cell, widths[index] ?? 0), widths[index] ?? 0, used[index]?.column.align),
      )
      .join(gutter)
      .trimEnd()}\n`;
  output.write(output.paint('dim', line(used.map(({ column }) => column.title)).trimEnd()) + '\n');
  for (const row of rows) output.write(line(used.map(({ index }) => row[index] ?? '')));
}

/** Pairs of a name and a value; those without a value are left out. */
export function writeFields(
  output: Output,
  fields: readonly (readonly [name: string, value: string | undefined])[],
): void {
  const shown = fields.filter((field): field is readonly [string, string] => field[1] !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  for (const [name, value] of shown)
    output.write(`${output.paint('dim', name.padEnd(width))}${gutter}${value}\n`);
}

function pad(text: string, width: number, align: Column['align']): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'right' ? space + text : text + space;
}

function shrink(widths: number[], columns: readonly Column[], available: number): void {
  let excess = widths.reduce((sum, width) => sum + width + gutter.length, -gutter.length) - available;
  columns.forEach((column, index) => {
    const width = widths[index] ?? 0;
    if (column.shrinks !== true || excess <= 0) return;
    const cut = Math.min(excess, Math.max(0, width - leastWidth));
    widths[index] = width - cut;
    excess -= cut;
  });
}
