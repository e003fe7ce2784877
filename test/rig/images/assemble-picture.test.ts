import { PNG } from 'pngjs';
import { describe, expect, test } from 'vitest';
import { assemblePicture } from './assemble-picture.ts';

type Tile = Parameters<typeof assemblePicture>[0][number];

const grid = { width: 23, height: 11, columns: 3 };
const count = 6;
/** Where a grid of 3 by 2 cuts 23 by 11 pixels. */
const lefts = [0, 7, 15];
const widths = [7, 8, 8];
const tops = [0, 5];
const heights = [5, 6];

/** A picture in which no two pixels are alike. */
function wholePicture(): PNG {
  const picture = new PNG({ width: grid.width, height: grid.height });
  for (let pixel = 0; pixel < grid.width * grid.height; pixel += 1) {
    picture.data.writeUInt32BE(pixel * 0x010307 * 256 + 255, pixel * 4);
  }
  return picture;
}

function tiles(): Tile[] {
  const whole = wholePicture();
  return tops.flatMap((top, row) =>
    lefts.map((left, column) => {
      const tile = new PNG({ width: widths[column] ?? 0, height: heights[row] ?? 0 });
      PNG.bitblt(whole, tile, left, top, tile.width, tile.height, 0, 0);
      return { index: row * lefts.length + column, count, png: PNG.sync.write(tile) };
    }),
  );
}

describe('assemblePicture', () => {
  test('gives the picture back from its tiles, in any order, where the grid does not divide it evenly', () => {
    const picture = PNG.sync.read(assemblePicture(tiles().reverse(), grid));
    expect([picture.width, picture.height]).toEqual([grid.width, grid.height]);
    expect(picture.data.equals(wholePicture().data)).toBe(true);
  });

  const refused: [string, (all: Tile[]) => Tile[], RegExp][] = [
    ['no tiles', () => [], /no tiles/],
    ['a missing tile', (all) => all.slice(1), /1 of 6 tiles are missing: 0/],
    ['a tile given twice', (all) => [...all, ...all.slice(2, 3)], /tile 2 is there twice/],
    [
      'an index outside the grid',
      (all) => [...all, ...all.slice(5).map((tile) => ({ ...tile, index: 6 }))],
      /no tile 6 of 6/,
    ],
    [
      'tiles of another split',
      (all) => all.map((tile) => ({ ...tile, count: 6 + (tile.index % 2) })),
      /tile 1 is one of 7/,
    ],
    [
      'a count that leaves a row open',
      (all) => all.map((tile) => ({ ...tile, count: 7 })),
      /7 tiles do not fill/,
    ],
    [
      'a tile of the wrong size',
      (all) => all.map((tile) => ({ ...tile, png: all[0]?.png ?? tile.png })),
      /tile 1 is 7x5 pixels, not 8x5/,
    ],
    [
      'bytes that are no PNG',
      (all) => all.map((tile) => ({ ...tile, png: Buffer.from('not a picture at all, sorry') })),
      /tile 0 is not a PNG/,
    ],
    [
      'a PNG cut short',
      (all) => all.map((tile) => ({ ...tile, png: tile.png.subarray(0, -30) })),
      /tile 0 is a damaged PNG/,
    ],
  ];
  test.each(refused)('refuses %s', (_, spoil, message) => {
    const spoilt = spoil(tiles());
    expect(() => assemblePicture(spoilt, grid)).toThrow(
      expect.objectContaining({ code: 'picture_incomplete' }),
    );
    expect(() => assemblePicture(spoilt, grid)).toThrow(message);
  });

  test('refuses a header that claims a huge picture without reading its pixels', () => {
    const [first, ...rest] = tiles();
    const png = Buffer.from(first?.png ?? []);
    png.writeUInt32BE(60_000, 16);
    png.writeUInt32BE(60_000, 20);
    expect(() => assemblePicture([{ index: 0, count, png }, ...rest], grid)).toThrow(/60000x60000/);
  });
});
