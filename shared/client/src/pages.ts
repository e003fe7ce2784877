import type { QueryOf, ResponseOf, RouteName } from '@capacloud/protocol/routes/routes';
import type { CallOptions, Client } from './client.ts';

/** Routes that answer in pages. */
type PagedRoute = {
  [N in RouteName]: ResponseOf<N> extends { readonly items: readonly unknown[]; readonly next?: string }
    ? 'cursor' extends keyof NonNullable<QueryOf<N>>
      ? N
      : never
    : never;
}[RouteName];
type ItemOf<N extends PagedRoute> =
  ResponseOf<N> extends { readonly items: readonly (infer T)[] } ? T : never;

/** Every item of a list, page after page as they are asked for. A page size is set by `query.limit`. */
export async function* listAll<N extends PagedRoute>(
  client: Client,
  name: N,
  options: CallOptions<N>,
): AsyncGenerator<ItemOf<N>> {
  const given = options as CallOptions<RouteName> & { readonly query?: Readonly<Record<string, unknown>> };
  let cursor: string | undefined;
  do {
    const query = { ...given.query, ...(cursor === undefined ? {} : { cursor }) };
    const page = (await client.call(name, { ...given, query } as unknown as CallOptions<N>)) as {
      readonly items: readonly ItemOf<N>[];
      readonly next?: string;
    };
    yield* page.items;
    // A cursor that repeats would never end.
    if (page.next === cursor && cursor !== undefined) throw new Error('the coordinator repeats a page');
    cursor = page.next;
  } while (cursor !== undefined);
}
