/** Hashes in a full tile, and entries in a full bundle. */
export const tileWidth = 256;
const maxTileLevel = 63;

/** One static resource of a log. Source: c2sp.org/tlog-tiles. */
export interface Tile {
  /** Height in tiles of 8 tree levels, 0 to 63; `entries` for the bundle under the level-0 tile. */
  readonly level: number | 'entries';
  /** Position within the level, from 0. */
  readonly index: number;
  /** Hashes or entries in it: 1 to 255 when partial, 256 when full. */
  readonly width: number;
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}

/** `tile/0/x001/x234/067`, `tile/1/000.p/17`, `tile/entries/000`. A tile that cannot be is a programmer's error. */
export function tilePath(tile: Tile): string {
  const { level, index, width } = tile;
  if (level !== 'entries' && !isWithin(level, 0, maxTileLevel))
    throw new RangeError('a tile level is 0 to 63');
  if (!isWithin(index, 0, Number.MAX_SAFE_INTEGER)) throw new RangeError('a tile index is a whole number');
  if (!isWithin(width, 1, tileWidth)) throw new RangeError('a tile width is 1 to 256');
  let path = `${index % 1000}`.padStart(3, '0');
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    path = `x${`${rest % 1000}`.padStart(3, '0')}/${path}`;
  return `tile/${level}/${path}${width === tileWidth ? '' : `.p/${width}`}`;
}

// 6 elements hold 2^53; the bound keeps a hostile path short.
const tilePattern =
  /^tile\/(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/** Reads what `tilePath` writes, and nothing else: a tile has one path. */
export function parseTilePath(path: string): Tile | undefined {
  const match = tilePattern.exec(path);
  if (match === null) return undefined;
  const [, levelText = '', indexText = '', widthText] = match;
  const level = levelText === 'entries' ? levelText : Number(levelText);
  const index = Number(indexText.replaceAll(/[x/]/g, ''));
  const width = widthText === undefined ? tileWidth : Number(widthText);
  if (level !== 'entries' && level > maxTileLevel) return undefined;
  if (index > Number.MAX_SAFE_INTEGER || (widthText !== undefined && width >= tileWidth)) return undefined;
  // A leading x000 is a second spelling of the same index.
  const tile: Tile = { level, index, width };
  return tilePath(tile) === path ? tile : undefined;
}
