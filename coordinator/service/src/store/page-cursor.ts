import type { Page, PageRequest } from '../ports/read-store.ts';

const cursorPattern = /^(0|[1-9][0-9]{0,15})$/;
const maxLimit = 1000;

/** Keyset paging by one whole number. Undefined: not a cursor of ours. `fallback` is where the first page begins. */
export function cursorOf(page: PageRequest, fallback: number): number | undefined {
  if (page.cursor === undefined) return fallback;
  if (!cursorPattern.test(page.cursor)) return undefined;
  const value = Number(page.cursor);
  return Number.isSafeInteger(value) ? value : undefined;
}

const pairPattern = /^(-?(?:0|[1-9][0-9]{0,15}))\.(0|[1-9][0-9]{0,15})$/;

/** The same by two numbers, the first of which may be below 0. */
export function cursorPairOf(
  page: PageRequest,
  fallback: readonly [number, number],
): readonly [number, number] | undefined {
  if (page.cursor === undefined) return fallback;
  const match = pairPattern.exec(page.cursor);
  if (match === null) return undefined;
  const pair = [Number(match[1]), Number(match[2])] as const;
  return pair.every(Number.isSafeInteger) ? pair : undefined;
}

/** How many rows to read: one more than asked, to learn whether more follow. */
export function rowsToRead(page: PageRequest): number {
  return clamp(page.limit) + 1;
}

/** `position` is what the next page continues after. */
export function pageOf<R, T>(
  rows: readonly R[],
  page: PageRequest,
  toItem: (row: R) => T,
  position: (row: R) => number | string,
): Page<T> {
  const limit = clamp(page.limit);
  const shown = rows.slice(0, limit);
  const items = shown.map(toItem);
  const cursors = shown.map((row) => `${position(row)}`);
  const last = cursors.at(-1);
  return rows.length > limit && last !== undefined ? { items, cursors, next: last } : { items, cursors };
}

function clamp(limit: number): number {
  return Math.min(Math.max(1, Math.floor(limit)), maxLimit);
}
