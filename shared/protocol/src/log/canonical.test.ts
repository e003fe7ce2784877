import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, maxCanonicalDepth } from './canonical.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** The specification, written the slow way: sort every object, then let the engine write it. */
function slow(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(slow).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${slow(value[key] as Json)}`).join(',')}}`;
}

const anyText = fc.string({ unit: 'binary', maxLength: 12 });
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small' },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    anyText,
    fc.array(tie('json'), { maxLength: 5 }),
    fc.dictionary(anyText, tie('json'), { maxKeys: 6 }),
  ),
}));

function nest(levels: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

describe('canonicalJson', () => {
  it('writes what the specification says, and JSON.parse reads it back', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value);
        expect(text).toBe(slow(value));
        expect(slow(JSON.parse(text) as Json)).toBe(text);
        // Read back, keys stand in order (but for integer-like ones): the engine's own path writes the same.
        expect(canonicalJson(JSON.parse(text))).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('does not depend on the order of insertion', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyText, { maxLength: 8 }), (keys) => {
        const forward = Object.fromEntries(keys.map((key) => [key, key]));
        const backward = Object.fromEntries(keys.toReversed().map((key) => [key, key]));
        expect(canonicalJson(forward)).toBe(canonicalJson(backward));
      }),
    );
  });

  it('orders keys by UTF-16 code units (RFC 8785 section 3.2.3)', () => {
    const value = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    };
    expect(Object.values(JSON.parse(canonicalJson(value)) as object)).toHaveLength(7);
    expect(canonicalJson(value)).toBe(
      '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis",' +
        '"\u20ac":"Euro Sign","\ud83d\ude00":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
    );
  });

  it('sorts integer-like keys as text', () => {
    expect(canonicalJson({ 10: 1, 9: 2, a: 3 })).toBe('{"10":1,"9":2,"a":3}');
  });

  it('writes a bigint as a decimal string, drops undefined properties, and gives zero one spelling', () => {
    expect(canonicalJson({ b: -5n, a: undefined, c: [2n ** 70n] })).toBe(
      '{"b":"-5","c":["1180591620717411303424"]}',
    );
    expect(canonicalJson(-0)).toBe('0');
  });

  it('reads own properties only', () => {
    const value = JSON.parse('{"__proto__":{"a":1},"b":2}') as unknown;
    expect(canonicalJson(value)).toBe('{"__proto__":{"a":1},"b":2}');
    expect(canonicalJson(Object.assign(Object.create(null), { a: 1 }))).toBe('{"a":1}');
  });

  it.each([0.5, Number.NaN, Infinity, -Infinity, 2 ** 53, 1e300])('refuses the number %s', (value) => {
    expect(() => canonicalJson({ value })).toThrow(RangeError);
  });

  it.each([
    undefined,
    () => 1,
    Symbol('s'),
    new Map(),
    new Set(),
    new Date(0),
    new Uint8Array(1),
    new (class Point {
      x = 1;
    })(),
    [undefined],
    Object.assign([], { length: 1 }),
    { toJSON: () => 1 },
    { [Symbol('key')]: 1 },
  ])('refuses %o', (value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });

  it.each(['\ud800', '\udc00', 'a\udfffb', '\ude00\ud83d'])('refuses the lone surrogate in %j', (text) => {
    expect(() => canonicalJson(text)).toThrow(RangeError);
    expect(() => canonicalJson({ [text]: 1 })).toThrow(RangeError);
    expect(() => canonicalJson({ b: text, a: 1 })).toThrow(RangeError);
  });

  it('takes a literal backslash-u for what it is', () => {
    expect(canonicalJson({ a: '\\ud800' })).toBe('{"a":"\\\\ud800"}');
  });

  it('bounds the depth, and so ends on a cycle', () => {
    expect(JSON.parse(canonicalJson(nest(maxCanonicalDepth)))).toEqual(nest(maxCanonicalDepth));
    expect(() => canonicalJson(nest(maxCanonicalDepth + 1))).toThrow(RangeError);
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect(() => canonicalJson(cycle)).toThrow(RangeError);
  });
});
