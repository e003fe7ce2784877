import { shownJson } from '@capacloud/protocol/input/plain-text';
import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { Paged, PageRequest } from '../ports/read-store.ts';

const defaultLimit = 50;

/** A page ends at so many bytes of items, too: rows come from strangers, who may make each as large as they can. */
export const pageBytes = 2 ** 20;

export interface PageQuery {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** One page of rows as views; a cursor that is not ours is a problem of the request. */
export async function pageOfRows<Row, View>(
  query: PageQuery,
  read: (page: PageRequest) => Paged<Row>,
  view: (row: Row) => View | Promise<View>,
): Promise<Result<{ items: View[]; next?: string }>> {
  const page = await read({
    limit: query.limit ?? defaultLimit,
    ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
  });
  if (page === undefined)
    return refuse('request.invalid', 'The cursor is not one that this list gave.', {
      problems: [{ pointer: '/query/cursor', message: 'is not a cursor of this list' }],
    });
  // One by one: a view may be much larger than its row, and what does not fit is not made.
  const items: View[] = [];
  let bytes = 0;
  for (const row of page.items) {
    const item = await view(row);
    bytes += bytesOf(item);
    if (bytes > pageBytes && items.length > 0) break;
    items.push(item);
  }
  const next = items.length < page.items.length ? page.cursors[items.length - 1] : page.next;
  return accept(next === undefined ? { items } : { items, next });
}

/** The first items that fit a page; always one, however large it is. */
export function withinPage<T>(items: readonly T[]): T[] {
  let bytes = 0;
  const end = items.findIndex((item, index) => {
    bytes += bytesOf(item);
    return bytes > pageBytes && index > 0;
  });
  return items.slice(0, end < 0 ? items.length : end);
}

function bytesOf(item: unknown): number {
  return Buffer.byteLength(shownJson(item));
}
