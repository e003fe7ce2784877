type Row = readonly string[];

const gutter = '  ';

/** Aligned columns: the first to the left, and any that is named in `left`; all others to the right. */
export function columns(title: Row, rows: readonly Row[], left: readonly number[] = []): string {
  const widths = title.map((head, index) =>
    Math.max(widthOf(head), ...rows.map((row) => widthOf(row[index] ?? ''))),
  );
  const line = (row: Row): string =>
    row
      .map((cell, index) => {
        const space = ' '.repeat((widths[index] ?? 0) - widthOf(cell));
        return index === 0 || left.includes(index) ? cell + space : space + cell;
      })
      .join(gutter)
      .trimEnd();
  return [title, ...rows].map((row) => `${line(row)}\n`).join('');
}

function widthOf(text: string): number {
  return Array.from(text).length;
}
