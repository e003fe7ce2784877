import { PNG } from 'pngjs';

interface Tile {
  /** Position in the grid, in reading order, from 0. */
  readonly index: number;
  /** Cells of the grid, as the tile's own task was told. */
  readonly count: number;
  readonly png: Buffer;
}

interface PictureGrid {
  /** The whole picture, in pixels. */
  readonly width: number;
  readonly height: number;
  readonly columns: number;
}

/** Tiles that do not make one picture: `tile` is the index of the one at fault, where there is one. */
class PictureError extends Error {
  readonly code = 'picture_incomplete';
  readonly tile: number | undefined;

  constructor(message: string, tile?: number, cause?: unknown) {
    super(message, { cause });
    this.name = 'PictureError';
    this.tile = tile;
  }
}

interface Cell {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The pixels of one cell; the same integer division as in `render-tile`, which spreads the remainder. */
function cellOf(index: number, count: number, { width, height, columns }: PictureGrid): Cell {
  const rows = count / columns;
  const column = index % columns;
  const row = Math.floor(index / columns);
  const left = Math.floor((column * width) / columns);
  const top = Math.floor((row * height) / rows);
  return {
    left,
    top,
    width: Math.floor(((column + 1) * width) / columns) - left,
    height: Math.floor(((row + 1) * height) / rows) - top,
  };
}

/** Puts the tiles of a picture together and returns it as PNG. Throws PictureError. */
export function assemblePicture(tiles: readonly Tile[], grid: PictureGrid): Buffer {
  const { width, height, columns } = grid;
  const count = tiles[0]?.count;
  if (count === undefined) throw new PictureError('there are no tiles to make a picture of');
  for (const [name, value] of Object.entries({ width, height, columns, count })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new PictureError(`${name} must be a positive whole number, not ${value}`);
  }
  if (count % columns !== 0)
    throw new PictureError(`${count} tiles do not fill a grid of ${columns} columns`);

  const placed = new Set<number>();
  const picture = new PNG({ width, height });
  for (const tile of tiles) {
    const { index } = tile;
    if (tile.count !== count)
      throw new PictureError(`tile ${index} is one of ${tile.count}, the others of ${count}`, index);
    if (!Number.isSafeInteger(index) || index < 0 || index >= count)
      throw new PictureError(`there is no tile ${index} of ${count}`, index);
    if (placed.has(index)) throw new PictureError(`tile ${index} is there twice`, index);
    placed.add(index);
    placeTile(picture, tile, cellOf(index, count, grid));
  }
  const missing = Array.from({ length: count }, (_, index) => index).filter((index) => !placed.has(index));
  if (missing.length > 0) {
    const named = missing.slice(0, 8).join(', ') + (missing.length > 8 ? ', …' : '');
    throw new PictureError(`${missing.length} of ${count} tiles are missing: ${named}`, missing[0]);
  }
  return PNG.sync.write(picture);
}

function placeTile(picture: PNG, { index, png }: Tile, cell: Cell): void {
  const size = pngSize(png);
  if (size === undefined) throw new PictureError(`tile ${index} is not a PNG`, index);
  // Read before the pixels are: a tile comes from a stranger's machine, and its header could claim gigabytes.
  if (size.width !== cell.width || size.height !== cell.height) {
    throw new PictureError(
      `tile ${index} is ${size.width}x${size.height} pixels, not ${cell.width}x${cell.height}`,
      index,
    );
  }
  let image: PNG;
  try {
    image = PNG.sync.read(png);
  } catch (error) {
    throw new PictureError(`tile ${index} is a damaged PNG`, index, error);
  }
  PNG.bitblt(image, picture, 0, 0, cell.width, cell.height, cell.left, cell.top);
}

const pngStart = Buffer.from([
  0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52,
]);

function pngSize(png: Buffer): { width: number; height: number } | undefined {
  if (png.length < 24 || !png.subarray(0, pngStart.length).equals(pngStart)) return undefined;
  return { width: png.readUInt32BE(16), height: png.readUInt32BE(20) };
}
