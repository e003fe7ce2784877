import { canonicalJson } from '@capacloud/protocol/log/canonical';
import { expect, it } from 'vitest';
import { amount, named, nested, pairs, plain, unless } from './kinds.ts';
import { RecordCodec } from './record-codec.ts';

interface Thing {
  word: string;
  zero: number;
  isGood: boolean;
  priceNano: bigint;
  maybe: string | undefined;
  list: readonly unknown[];
  readonly inner: { b: number; a: bigint };
  readonly known: Map<string, number>;
}

const codec = new RecordCodec<Thing>({
  word: plain(),
  zero: unless(0),
  isGood: named('good', unless(false)),
  priceNano: amount,
  maybe: plain(),
  list: plain(),
  inner: nested({ b: plain(), a: amount }),
  known: pairs(),
});

const thing = (): Thing => ({
  word: 'a "word"\u2028 – of any kind',
  zero: 7,
  isGood: true,
  priceNano: -5n,
  maybe: 'some',
  list: [{ z: 1, a: [] }],
  inner: { b: 1, a: 2n },
  known: new Map([['x', 1]]),
});
const empty = (): Thing => ({
  ...thing(),
  zero: 0,
  isGood: false,
  maybe: undefined,
  list: [],
  known: new Map(),
});

it('writes canonical JSON, whatever the order of the declaration, and reads it back', () => {
  for (const record of [thing(), empty()]) {
    const text = codec.text(record);
    expect(text).toBe(canonicalJson(JSON.parse(text)));
    expect(codec.read(JSON.parse(text) as Record<string, unknown>)).toEqual(record);
  }
  expect(Object.keys(JSON.parse(codec.text(empty())) as object)).toEqual([
    'inner',
    'list',
    'priceNano',
    'word',
  ]);
});

it('writes the members on both sides of a list', () => {
  const record = thing();
  const before = codec.between(record, undefined, 'jobs');
  const after = codec.between(record, 'jobs', undefined);
  expect(`{${before},"jobs":[],${after}}`).toBe(
    canonicalJson({ ...(JSON.parse(codec.text(record)) as object), jobs: [] }),
  );
});

it('copies what changes in place', () => {
  const record = thing();
  const was = codec.text(record);
  const copy = codec.copy(record);
  record.zero = 0;
  record.inner.b = 9;
  record.known.set('y', 2);
  expect(codec.text(copy)).toBe(was);
  expect(codec.text(record)).not.toBe(was);
});

it('refuses what has no canonical form', () => {
  for (const change of [{ zero: 0.5 }, { zero: 2 ** 53 }, { word: '\ud800' }, { list: [undefined] }])
    expect(() => codec.text({ ...thing(), ...change })).toThrow(/canonical JSON/);
});
