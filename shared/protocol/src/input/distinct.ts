import Type, { type TArray, type TImmutable, type TSchema } from 'typebox';
import type { Problem } from '../result.ts';
import type { WordedSchema } from './wording.ts';

/** Paths of the fields that name an item together, such as `['receipt.task', 'receipt.attempt']`; none: the item itself. */
export type ItemKey = readonly string[];

/** The item itself names it: a list of ids or words. */
export const wholeItem: ItemKey = [];

/**
 * A list that names nothing twice. What reads a list by id (a map, a sum) and what walks it (a loop) disagree about an id that
 * is there twice, so every list in the schema of a frame or a request is either this or `repeatable`.
 */
export function distinct<T extends TSchema>(
  list: TArray<T>,
  ...keys: readonly ItemKey[]
): TImmutable<TArray<T>> {
  const marked = { ...list, 'x-distinct': keys } as TArray<T> & { readonly maxItems?: number };
  const { maxItems = Number.POSITIVE_INFINITY } = marked;
  return Type.Refine(
    marked,
    // What is too long is refused for that, and not looked through.
    (value) => !Array.isArray(value) || value.length > maxItems || doubledItem(value, keys) === undefined,
    () => 'names an item twice',
  ) as unknown as TImmutable<TArray<T>>;
}

/** A list in which an item may stand twice, and why that is right. Validators pass over it. */
export function repeatable(why: string): { readonly 'x-repeatable': string } {
  return { 'x-repeatable': why };
}

/** The name of the first item that is in the list twice. An item that lacks a field of a key has no name by that key. */
export function doubledItem(list: readonly unknown[], keys: readonly ItemKey[]): string | undefined {
  if (list.length < 2) return undefined;
  for (const key of keys) {
    const seen = new Set<string>();
    for (const item of list) {
      const name = nameOf(item, key);
      if (name === undefined) continue;
      if (seen.has(name)) return name;
      seen.add(name);
    }
  }
  return undefined;
}

/** An amount that is written as a number and one that is written as text name the same. */
function nameOf(item: unknown, key: ItemKey): string | undefined {
  if (key.length === 0) return textOf(item);
  let name = '';
  for (const [index, path] of key.entries()) {
    const text = textOf(fieldOf(item, path));
    if (text === undefined) return undefined;
    name = index === 0 ? text : `${name} ${text}`;
  }
  return name;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string' || value === undefined) return value;
  try {
    return JSON.stringify(value, inOrder);
  } catch (error) {
    // It nests deeper than anything that a schema takes, and is refused for what it is.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Two items are the same in whatever order their fields are written. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function fieldOf(item: unknown, path: string): unknown {
  let value = item;
  for (const field of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[field];
  }
  return value;
}

/** What is said of a list that names an item twice. */
export function doubledWords(name: string): string {
  return `names ${name.slice(0, 200)} twice`;
}

/** Only what is in a list twice: a walk along the lists of the schema, however much else is wrong with the value. */
export function doubledProblem(schema: WordedSchema, value: unknown, pointer = ''): Problem | undefined {
  if (Array.isArray(value)) return doubledIn(schema, value, pointer);
  if (typeof value !== 'object' || value === null) return undefined;
  for (const branch of schema.anyOf ?? []) {
    const found = doubledProblem(branch, value, pointer);
    if (found !== undefined) return found;
  }
  for (const [field, inner] of Object.entries(schema.properties ?? {})) {
    if (!Object.hasOwn(value, field)) continue;
    const item = (value as Readonly<Record<string, unknown>>)[field];
    const found = doubledProblem(inner, item, `${pointer}/${field}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function doubledIn(schema: WordedSchema, list: readonly unknown[], pointer: string): Problem | undefined {
  for (const branch of schema.anyOf ?? []) {
    const found = doubledIn(branch, list, pointer);
    if (found !== undefined) return found;
  }
  const { items, maxItems = Number.POSITIVE_INFINITY, 'x-distinct': keys } = schema;
  if (list.length > maxItems) return undefined;
  const name = keys === undefined ? undefined : doubledItem(list, keys);
  if (name !== undefined) return { pointer, message: doubledWords(name) };
  if (items === undefined) return undefined;
  for (const [index, item] of list.entries()) {
    const found = doubledProblem(items, item, `${pointer}/${index}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
