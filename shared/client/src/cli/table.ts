import stringWidth from 'string-width';
import { clip, type Output, wrap } from './terminal.ts';

export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** Gives way when the terminal is narrow; never below 8 columns. */
  readonly shrinks?: true;
  /** Holds ids, of which the first characters will do: it gives way before the others, and is cut without an ellipsis. */
  readonly isId?: true;
  /** Is left out when the terminal is narrow, before others shrink. */
  readonly isOptional?: true;
}

const gutter = '  ';
const leastWidth = 8;
/** `job_` or `node_` and enough of what follows. */
const leastIdWidth = 12;

/** Aligned columns under dim titles. A column that is empty in every row is left out. */
export function writeTable(
  output: Output,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): void {
  const used = fit(
    columns
      .map((column, index) => ({
        column,
        index,
        width: Math.max(column.title.length, ...rows.map((row) => stringWidth(row[index] ?? ''))),
      }))
      .filter(({ index }) => rows.some((row) => (row[index] ?? '') !== '')),
    output.columns,
  );
  const line = (cells: readonly string[]) =>
    `${used
      .map(({ column, width }, index) => {
        const cell = cells[index] ?? '';
        return pad(column.isId === true ? cell.slice(0, width) : clip(cell, width), width, column.align);
      })
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
    wrap(value, output.columns - width - gutter.length).forEach((line, index) => {
      const margin = index === 0 ? output.paint('dim', name.padEnd(width)) : ' '.repeat(width);
      output.write(`${margin}${gutter}${line}\n`);
    });
}

function pad(text: string, width: number, align: Column['align']): string {
  const space = ' '.repeat(Math.max(0, width - stringWidth(text)));
  return align === 'right' ? space + text : text + space;
}

interface Fitted {
  readonly column: Column;
  readonly index: number;
  readonly width: number;
}

/** The columns as wide as there is room for: ids are cut first, then optional columns go, then texts are cut. */
function fit(columns: readonly Fitted[], available: number): readonly Fitted[] {
  let shown = narrowed(columns, available, ({ isId }) => (isId === true ? leastIdWidth : undefined));
  while (excessOf(shown, available) > 0) {
    const optional = shown.findLastIndex(({ column }) => column.isOptional === true);
    if (optional < 0) break;
    shown = shown.toSpliced(optional, 1);
  }
  return narrowed(shown, available, ({ shrinks }) => (shrinks === true ? leastWidth : undefined));
}

function excessOf(columns: readonly Fitted[], available: number): number {
  return columns.reduce((sum, { width }) => sum + width + gutter.length, -gutter.length) - available;
}

function narrowed(
  columns: readonly Fitted[],
  available: number,
  leastOf: (column: Column) => number | undefined,
): readonly Fitted[] {
  let excess = excessOf(columns, available);
  return columns.map((fitted) => {
    const least = leastOf(fitted.column) ?? fitted.width;
    const cut = Math.max(0, Math.min(excess, fitted.width - least));
    excess -= cut;
    return { ...fitted, width: fitted.width - cut };
  });
}
