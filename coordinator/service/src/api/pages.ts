import { accept, type Result, refuse } from '@capacloud/protocol/result';
import type { Paged, PageRequest } from '../ports/read-store.ts';

const defaultLimit = 50;

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
  const items = await Promise.all(page.items.map((row) => view(row)));
  return accept(page.next === undefined ? { items } : { items, next: page.next });
}
