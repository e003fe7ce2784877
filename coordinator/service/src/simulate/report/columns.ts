import stringWidth from 'string-width';

type Row = readonly string[];

const gutter = '  ';

/** Aligned columns: the first to the left, and any that is named in `left`; all others to the right. */
export function columns(title: Row, rows: readonly Row[], left: readonly number[] = []): string {
  const widths = title.map((head, index) =>
    Math.max(stringWidth(head), ...rows.map((row) => stringWidth(row[index] ?? ''))),
  );
  const line = (row: Row): string =>
    row
      .map((cell, index) => {
        const space = ' '.repeat((widths[index] ?? 0) - stringWidth(cell));
        return index === 0 || left.includes(index) ? cell + space : space + cell;
      })
      .join(gutter)
      .trimEnd();
  return [title, ...rows].map((row) => `${line(row)}\n`).join('');
}
