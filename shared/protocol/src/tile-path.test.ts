import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseTilePath, tilePath } from './tile-path.ts';

it.each([
  [{ level: 0, index: 1_234_067, width: 256 }, 'tile/0/x001/x234/067'],
  [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
  [{ level: 0, index: 273, width: 112 }, 'tile/0/273.p/112'],
  [{ level: 1, index: 1, width: 17 }, 'tile/1/001.p/17'],
  [{ level: 63, index: 1000, width: 1 }, 'tile/63/x001/000.p/1'],
  [{ level: 'entries', index: 999_999, width: 255 }, 'tile/entries/x999/999.p/255'],
  [{ level: 0, index: Number.MAX_SAFE_INTEGER, width: 256 }, 'tile/0/x009/x007/x199/x254/x740/991'],
] as const)('%j is at %s', (tile, path) => {
  expect(tilePath(tile)).toBe(path);
  expect(parseTilePath(path)).toEqual(tile);
});

it('every tile has a path that reads back', () => {
  const level = fc.oneof(fc.constant('entries' as const), fc.nat({ max: 63 }));
  fc.assert(
    fc.property(level, fc.maxSafeNat(), fc.integer({ min: 1, max: 256 }), (height, index, width) => {
      const tile = { level: height, index, width };
      expect(parseTilePath(tilePath(tile))).toEqual(tile);
    }),
  );
});

it.each([
  '',
  '/tile/0/000',
  'tile/0/0',
  'tile/00/000',
  'tile/64/000',
  'tile/-1/000',
  'tile/0/x000/000',
  'tile/0/001/000',
  'tile/0/x001',
  'tile/0/x001/x234',
  'tile/0/000.p/0',
  'tile/0/000.p/01',
  'tile/0/000.p/256',
  'tile/0/000.p/',
  'tile/0/000\n',
  'tile/0/../000',
  'tile/entry/000',
  'tile/0/x009/x007/x199/x254/x740/992',
  `tile/0/${'x999/'.repeat(1000)}000`,
])('refuses %j', (path) => {
  expect(parseTilePath(path)).toBeUndefined();
});

it.each([
  { level: 64, index: 0, width: 1 },
  { level: 0.5, index: 0, width: 1 },
  { level: 0, index: -1, width: 1 },
  { level: 0, index: 2 ** 53, width: 1 },
  { level: 0, index: 0, width: 0 },
  { level: 0, index: 0, width: 257 },
])('has no path for %j', (tile) => {
  expect(() => tilePath(tile)).toThrow(RangeError);
});
