import type { VariantResult } from '../results.ts';
import { columns } from './columns.ts';
import { capa, count, percent, span } from './phrases.ts';

interface Figure {
  readonly label: string;
  /** Undefined where the variant has no such thing. */
  readonly of: (variant: VariantResult) => number | undefined;
  readonly say: (value: number) => string;
}

/** The figures of all variants, and by how much each differs from the first. */
export function comparison(first: VariantResult, others: readonly VariantResult[]): string {
  const title = ['COMPARED', first.name, ...others.flatMap(({ name }) => [name, '±'])];
  const figures = figuresOf([first, ...others]);
  const cells = figures.map(({ label, of, say }) => {
    const cell = (variant: VariantResult): string => {
      const value = of(variant);
      return value === undefined ? '–' : say(value);
    };
    return {
      label,
      first: cell(first),
      others: others.map((other) => [cell(other), difference(of, first, other, say)]),
    };
  });
  const differs = (row: (typeof cells)[number]): boolean => row.others.some(([cell]) => cell !== row.first);
  const rows = cells.filter(differs).map((row) => [row.label, row.first, ...row.others.flat()]);
  const same = cells.filter((row) => !differs(row)).map(({ label }) => label);
  return `${columns(title, rows)}${same.length === 0 ? '' : folded(`the same: ${same.join(', ')}`)}`;
}

const lineColumns = 100;

/** Indented, in lines of a readable length. */
function folded(text: string): string {
  const lines: string[] = [];
  let line = ' ';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > lineColumns) {
      lines.push(line);
      line = '   ';
    }
    line += ` ${word}`;
  }
  return [...lines, line].map((each) => `${each}\n`).join('');
}

/** In the figure's own words, and as a part of the first. */
function difference(
  of: Figure['of'],
  first: VariantResult,
  other: VariantResult,
  say: Figure['say'],
): string {
  const [base, value] = [of(first), of(other)];
  if (base === undefined || value === undefined || say(base) === say(value)) return '';
  const sign = value > base ? '+' : '−';
  const own = `${sign}${say(Math.abs(value - base))}`;
  return base === 0 || say === percent ? own : `${own} (${sign}${percent(Math.abs(value / base - 1))})`;
}

function figuresOf(variants: readonly VariantResult[]): readonly Figure[] {
  const names = (of: (variant: VariantResult) => readonly { readonly name: string }[]): readonly string[] => [
    ...new Set(variants.flatMap((variant) => of(variant).map(({ name }) => name))),
  ];
  const pools = names((variant) => variant.pools);
  const classes = names((variant) => variant.classes);
  const groups = names((variant) => variant.groups);
  const classOf = (variant: VariantResult, name: string) =>
    variant.classes.find((each) => each.name === name);
  return [
    ...pools.map((name) => ({
      label: `use of ${name}`,
      of: (variant: VariantResult) => variant.pools.find((pool) => pool.name === name)?.utilisation,
      say: percent,
    })),
    ...pools.map((name) => ({
      label: `price of ${name}`,
      of: (variant: VariantResult) =>
        variant.pools.find((pool) => pool.name === name)?.priceNano ?? undefined,
      say: capa,
    })),
    ...classes.flatMap((name) => [
      { label: `mean wait of ${name}`, of: (v: VariantResult) => classOf(v, name)?.wait.mean, say: span },
      { label: `p95 wait of ${name}`, of: (v: VariantResult) => classOf(v, name)?.wait.p95, say: span },
      { label: `succeeded of ${name}`, of: (v: VariantResult) => classOf(v, name)?.succeeded, say: count },
      {
        label: `failed or expired of ${name}`,
        of: (v: VariantResult) => unmet(classOf(v, name)),
        say: count,
      },
    ]),
    { label: 'attempts in vain', of: vain, say: count },
    ...groups.map((name) => ({
      label: `earned by ${name}`,
      of: (variant: VariantResult) => nanoOf(variant.groups.find((group) => group.name === name)?.earnedNano),
      say: capa,
    })),
    { label: 'fees', of: ({ feesNano }: VariantResult) => Number(feesNano), say: capa },
    { label: 'paid by consumers', of: ({ chargedNano }: VariantResult) => Number(chargedNano), say: capa },
  ];
}

function unmet(each: VariantResult['classes'][number] | undefined): number | undefined {
  return each === undefined ? undefined : each.failed + each.expired;
}

/** Attempts that did not end in a success. */
function vain({ attempts }: VariantResult): number {
  const all = Object.values(attempts).reduce((sum, each) => sum + each, 0);
  return all - (attempts.completed ?? 0);
}

function nanoOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
