/** What JSON.parse gives for a record. */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** How a field of a record stands in the canonical text. */
export interface Kind<V> {
  /** Its key in the text, where that is not its name. */
  readonly key?: string;
  /** What is written, as JSON; undefined is left out. */
  readonly text: (value: V) => unknown;
  /** Back from what was written; undefined where it was left out. */
  readonly value: (text: unknown) => V;
  /** Of a value that changes in place; others are replaced, so a copy of the record keeps them. */
  readonly copy?: (value: V) => V;
}
export type Fields<R> = { readonly [Name in keyof R]-?: Kind<R[Name]> };

const asIs: Kind<unknown> = { text: (value) => value, value: (text) => text };

/** Numbers, texts, and lists and records of them that are replaced and never changed. Undefined is left out. */
export function plain<V>(): Kind<V> {
  return asIs as Kind<V>;
}

/** An amount of money, as decimal text. */
export const amount: Kind<bigint> = {
  text: (value) => `${value}`,
  value: (text) => BigInt(text as string),
};

/** Left out where it has the value that every record begins with. */
export function unless<V extends number | boolean>(initial: NoInfer<V>): Kind<V> {
  return {
    text: (value) => (value === initial ? undefined : value),
    value: (text) => (text === undefined ? initial : (text as V)),
  };
}

export function named<V>(key: string, kind: Kind<V>): Kind<V> {
  return { ...kind, key };
}

/** A map whose values are replaced and never changed, as a list of pairs in its order; left out while it is empty. */
export function pairs<K, V>(): Kind<Map<K, V>> {
  return {
    text: (map) => (map.size === 0 ? undefined : [...map]),
    value: (text) => new Map(text as readonly (readonly [K, V])[] | undefined),
    copy: (map) => new Map(map),
  };
}

/** A record within a record, which changes in place. */
export function nested<R extends object>(fields: Fields<R>): Kind<R> {
  const kinds = kindsOf(fields).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    text: (record) =>
      Object.fromEntries(kinds.map(([name, { text }]) => [name, text((record as JsonRecord)[name])])),
    value: (text) =>
      Object.fromEntries(kinds.map(([name, { value }]) => [name, value((text as JsonRecord)[name])])) as R,
    copy: (record) => ({ ...record }),
  };
}

/** As a list: what fits a field no longer shows in the type. */
export function kindsOf<R>(fields: Fields<R>): [name: string, kind: Kind<unknown>][] {
  return Object.entries(fields as Readonly<Record<string, Kind<unknown>>>);
}
