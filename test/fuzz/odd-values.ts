import fc from 'fast-check';

const deep = (depth: number, open: string, close: string) => `${open.repeat(depth)}${close.repeat(depth)}`;

/** JSON texts that no field expects. */
export const oddTexts: readonly string[] = [
  'null',
  'true',
  '-1',
  '-0',
  '0',
  '1.5',
  '1e400',
  '-1e400',
  '1e-400',
  '9007199254740993',
  '9223372036854775808',
  '1e308',
  `1${'0'.repeat(400)}`,
  '""',
  '" "',
  '"\\u0000"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u202e\\ufeff\\u2028"',
  '"\\u001b[2J\\u0007"',
  '"../../etc/passwd"',
  '"%00%ff%c0%ae"',
  '"NaN"',
  '"__proto__"',
  '"constructor"',
  `"${'x'.repeat(70_000)}"`,
  `"${'é'.repeat(3000)}"`,
  '[]',
  '{}',
  deep(70, '[', ']'),
  deep(5000, '[', ']'),
  `${'{"a":'.repeat(3000)}1${'}'.repeat(3000)}`,
  '{"__proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"toString":1,"valueOf":1,"toJSON":1}',
  '{"length":4294967295,"0":1}',
  `[${'0,'.repeat(3000)}0]`,
  `[${'{},'.repeat(500)}{}]`,
];

export const oddKeys: readonly string[] = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'length',
  'then',
  'toJSON',
  '',
  ' ',
  'a/b~c',
  '\u0000',
  '\ud800',
  'x',
  'é',
  '0',
];

export const oddValue: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...oddTexts).map((text) => JSON.parse(text) as unknown) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.double() },
);

interface Spot {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

function spotsOf(value: unknown, spots: Spot[]): Spot[] {
  if (typeof value !== 'object' || value === null || spots.length > 2000) return spots;
  const holder = value as Record<string, unknown>;
  for (const key of Object.keys(holder)) {
    spots.push({ holder, key });
    spotsOf(holder[key], spots);
  }
  return spots;
}

/** As JSON.parse does it: a key is a property of its own, also `__proto__`. */
function put(holder: Record<string, unknown>, key: string, value: unknown): void {
  // Lists have no other keys in JSON.
  if (Array.isArray(holder) && !/^[0-9]+$/.test(key)) return;
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
}

const changes = ['replace', 'remove', 'add', 'repeat', 'swap', 'nest', 'whole'] as const;

/** A value that was sound, with one thing about it changed. It may still be sound. */
export function spoiled(sound: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(sound, fc.constantFrom(...changes), fc.nat(), fc.nat(), oddValue, fc.constantFrom(...oddKeys))
    .map(([value, change, first, second, odd, key]) => {
      const copy = structuredClone(value);
      const spots = spotsOf(copy, []);
      const spot = spots[first % Math.max(1, spots.length)];
      const other = spots[second % Math.max(1, spots.length)];
      if (spot === undefined || other === undefined || change === 'whole') return odd;
      switch (change) {
        case 'replace':
          put(spot.holder, spot.key, odd);
          break;
        case 'remove':
          // JSON has no gaps in lists.
          if (Array.isArray(spot.holder)) spot.holder.splice(Number(spot.key), 1);
          else delete spot.holder[spot.key];
          break;
        case 'add':
          put(spot.holder, key, odd);
          break;
        case 'repeat':
          put(
            spot.holder,
            spot.key,
            Array.from({ length: 1 + (second % 70) }, () => spot.holder[spot.key]),
          );
          break;
        case 'swap':
          put(spot.holder, spot.key, structuredClone(other.holder[other.key]));
          break;
        case 'nest':
          put(spot.holder, spot.key, { [spot.key]: spot.holder[spot.key] });
          break;
      }
      return copy;
    });
}

const splices = [
  '"',
  '\\',
  '}',
  '{',
  '[',
  ',',
  ':',
  '\u0000',
  '\ufeff',
  '💥',
  '\ud800',
  '\u2028',
  '//',
  '/*',
  '\n',
  '\t',
  '1e400',
  '__proto__',
];

/** A text that was sound, cut, spliced, doubled or with a part repeated. */
export function torn(sound: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(sound, fc.nat({ max: 5 }), fc.nat(), fc.nat({ max: 64 }), fc.constantFrom(...splices))
    .map(([text, change, place, length, splice]) => {
      const at = text.length === 0 ? 0 : place % text.length;
      switch (change) {
        case 0:
          return text.slice(0, at);
        case 1:
          return text.slice(0, at) + text.slice(at + length);
        case 2:
          return text.slice(0, at) + splice + text.slice(at);
        case 3:
          return text.slice(0, at) + String.fromCharCode(length) + text.slice(at + 1);
        case 4:
          return text + text;
        default:
          return text.slice(0, at) + text.slice(at, at + length).repeat(40) + text.slice(at);
      }
    });
}
