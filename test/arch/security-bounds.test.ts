import { join } from 'node:path';
import { parseSize } from '@capacloud/protocol/units';
import { describe, expect, test } from 'vitest';
import { readCheckout, root } from './checkout.ts';

interface Row {
  readonly who: string;
  readonly what: string;
  readonly bound: string;
  readonly where: string;
}

const heading = '## What is bounded';
const parties = ['address', 'consumer', 'operator', 'provider', 'reader'];
const units: Readonly<Record<string, { readonly kind: string; readonly factor: number }>> = {
  B: { kind: 'bytes', factor: 1 },
  KiB: { kind: 'bytes', factor: 2 ** 10 },
  MiB: { kind: 'bytes', factor: 2 ** 20 },
  GiB: { kind: 'bytes', factor: 2 ** 30 },
  TiB: { kind: 'bytes', factor: 2 ** 40 },
  ms: { kind: 'time', factor: 1 },
  s: { kind: 'time', factor: 1000 },
  min: { kind: 'time', factor: 60_000 },
  h: { kind: 'time', factor: 3_600_000 },
  days: { kind: 'time', factor: 86_400_000 },
  '/s': { kind: 'per second', factor: 1 },
  '/min': { kind: 'per minute', factor: 1 },
  '/h': { kind: 'per hour', factor: 1 },
  '': { kind: 'plain', factor: 1 },
};

/** The unit that a constant's name promises. Names in the configuration are in snake case. */
const unitsOfNames: readonly (readonly [RegExp, string])[] = [
  [/(Bytes|_quota|_size)$/, 'bytes'],
  [/Ms$/, 'time'],
  [/([Pp]erSecond|_second)$/, 'per second'],
  [/([Pp]erMinute|_minute)$/, 'per minute'],
  [/([Pp]erHour|_hour)$/, 'per hour'],
];

/** The rows of the table under the heading. */
function readRows(text: string): readonly Row[] {
  const section = (text.split(`${heading}\n`)[1] ?? '').split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) => {
      const [who = '', what = '', bound = '', where = ''] = line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim());
      return { who, what, bound, where };
    });
}

/** What a cell such as `8 KiB`, `20 /h` or `2/3` says, in the smallest unit. Undefined: it cannot be read. */
function readBound(cell: string): { readonly kind: string; readonly amount: number } | undefined {
  const fraction = /^(\d+)\/(\d+)$/.exec(cell);
  if (fraction !== null) return { kind: 'plain', amount: Number(fraction[1]) / Number(fraction[2]) };
  const match = /^(\d[\d,]*(?:\.\d+)?) ?(\S*)$/.exec(cell);
  const unit = units[match?.[2] ?? '?'];
  if (match?.[1] === undefined || unit === undefined) return undefined;
  return { kind: unit.kind, amount: Number(match[1].replaceAll(',', '')) * unit.factor };
}

/** The value of `path/to/file.ts#constant.field`, and the unit that its name promises. */
async function readCode(where: string): Promise<{ readonly kind: string; readonly amount: number }> {
  const [, file = '', trail = ''] = /^`([\w./-]+\.ts)#([\w.]+)`$/.exec(where) ?? [];
  const names = trail.split('.');
  let value = (await import(/* @vite-ignore */ join(root, file))) as unknown;
  for (const name of names) value = (value as Readonly<Record<string, unknown>> | undefined)?.[name];
  const amount = typeof value === 'string' ? (parseSize(value) ?? Number.NaN) : Number(value ?? Number.NaN);
  // Days are counted as such in the configuration.
  if (trail.endsWith('_days')) return { kind: 'time', amount: amount * 86_400_000 };
  const name = names.at(-1) ?? '';
  const kind = typeof value === 'string' ? 'bytes' : unitsOfNames.find(([end]) => end.test(name))?.[1];
  return { kind: kind ?? 'plain', amount };
}

const rows = readRows(readCheckout('SECURITY.md'));

describe('the bounds that SECURITY.md states', () => {
  test('it has rows for every party, and each row once', () => {
    expect([...new Set(rows.map(({ who }) => who))].sort()).toEqual(parties);
    const said = rows.map(({ who, what }) => `${who}: ${what}`);
    expect(said).toEqual([...new Set(said)]);
  });

  test.each(rows)('$who: $what: $bound', async ({ bound, where }) => {
    const stated = readBound(bound);
    expect(stated, `${bound} is a number with a unit`).toBeDefined();
    expect(await readCode(where)).toEqual({
      kind: stated?.kind,
      amount: expect.closeTo(stated?.amount ?? 0, 3),
    });
  });

  test.each([
    ['8 KiB', { kind: 'bytes', amount: 8192 }],
    ['1.5 min', { kind: 'time', amount: 90_000 }],
    ['20,000', { kind: 'plain', amount: 20_000 }],
    ['20 /h', { kind: 'per hour', amount: 20 }],
    ['2/3', { kind: 'plain', amount: 2 / 3 }],
    ['many', undefined],
    ['3 apples', undefined],
  ])('a bound of %s is read', (cell, read) => {
    expect(readBound(cell)).toEqual(read);
  });
});
