import { isExact } from './as-written.ts';
import { JobFileSchema } from './job-file.ts';

/** A number, true or false of a file, with the text that it was written as: `3.10` is 3.1 to a reader of numbers. */
export class Spelled {
  readonly source: string;
  readonly value: number | boolean;

  constructor(source: string, value: number | boolean) {
    this.source = source;
    this.value = value;
  }
}

interface Place {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly anyOf?: readonly Place[];
  readonly items?: Place;
  readonly properties?: Readonly<Record<string, Place>>;
  readonly patternProperties?: Readonly<Record<string, Place>>;
  readonly 'x-as-written'?: boolean;
}

const jobFile: readonly Place[] = [JobFileSchema as Place];
/** What a batch sends: `{"jobs": [FILE, ...]}`. */
const jobBatch: readonly Place[] = [{ properties: { jobs: { items: JobFileSchema as Place } } }];

/**
 * Which scalars become text: with `all`, each at a place that takes text and would not take the value itself, as people
 * expect of YAML; with `marked`, only those at places that are marked.
 */
type TextPlaces = 'all' | 'marked';

/** Settles each scalar of a job file: it is the text as written where the file takes text, else its value. */
export function settleJobFile(tree: unknown): unknown {
  return settle(tree, jobFile, 'all');
}

function settle(tree: unknown, at: readonly Place[], places: TextPlaces): unknown {
  if (tree instanceof Spelled) return isText(tree.value, at, places) ? tree.source : tree.value;
  if (typeof tree !== 'object' || tree === null) return tree;
  if (Array.isArray(tree)) {
    const items = innerPlaces(at, undefined);
    return tree.map((item: unknown) => settle(item, items, places));
  }
  const settled: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(tree)) {
    const value = settle(item, innerPlaces(at, key), places);
    // Defined, not assigned: `__proto__` is a name like any other.
    Object.defineProperty(settled, key, { value, enumerable: true, configurable: true, writable: true });
  }
  return settled;
}

/** Where the fields of a map, or the items of a list, stand. Kept, because a batch asks the same thousands of times. */
function innerPlaces(at: readonly Place[], key: string | undefined): readonly Place[] {
  if (at.length === 0) return at;
  let byKey = known.get(at);
  if (byKey === undefined) known.set(at, (byKey = new Map()));
  // Keys that are fields of no place stand together, so that what is kept has as many entries as the schema.
  const field =
    key === undefined ||
    at.some(({ properties }) => properties !== undefined && Object.hasOwn(properties, key))
      ? key
      : anyName;
  let places = byKey.get(field);
  if (places === undefined) byKey.set(field, (places = at.flatMap((place) => inner(place, field))));
  return places;
}

const known = new WeakMap<readonly Place[], Map<string | undefined, readonly Place[]>>();
/** No field has it. */
const anyName = '';

function inner({ items, properties, patternProperties }: Place, key: string | undefined): readonly Place[] {
  if (key === undefined) return branches(items);
  if (properties !== undefined && Object.hasOwn(properties, key)) return branches(properties[key]);
  // The one pattern of a record. What does not match it is refused whatever its value is.
  return branches(Object.values(patternProperties ?? {})[0]);
}

/** A place and, where it takes one of several shapes, each of these. */
function branches(place: Place | undefined): readonly Place[] {
  if (place === undefined) return [];
  return place.anyOf === undefined ? [place] : [place, ...place.anyOf.flatMap(branches)];
}

function isText(value: number | boolean, at: readonly Place[], places: TextPlaces): boolean {
  if (at.some((place) => place['x-as-written'] === true)) return places === 'all' || isExact(value);
  return places === 'all' && at.some(takesText) && !at.some((place) => takesValue(place, value));
}

function takesText({ type, const: only, enum: choices }: Place): boolean {
  return (
    type === 'string' ||
    typeof only === 'string' ||
    choices?.some((each) => typeof each === 'string') === true
  );
}

function takesValue(
  { type, minimum = -Infinity, maximum = Infinity }: Place,
  value: number | boolean,
): boolean {
  if (typeof value === 'boolean') return type === 'boolean';
  if (type !== 'number' && !(type === 'integer' && Number.isInteger(value))) return false;
  return value >= minimum && value <= maximum;
}

/**
 * A job file, or a batch of them, from its JSON text, given what JSON.parse made of it. It is read again only where the
 * value of a variable or of a constraint is a number, because reading with a reviver takes several times as long.
 */
export function withJsonSpelling(parsed: unknown, text: string, what: 'file' | 'batch'): unknown {
  const at = what === 'file' ? jobFile : jobBatch;
  if (!hasMarkedNumber(parsed, at)) return parsed;
  const revive = (_: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === 'number' && context?.source !== undefined ? new Spelled(context.source, value) : value;
  return settle(JSON.parse(text, revive), at, 'marked');
}

function hasMarkedNumber(tree: unknown, at: readonly Place[]): boolean {
  if (at.length === 0) return false;
  if (typeof tree === 'number') return at.some((place) => place['x-as-written'] === true);
  if (typeof tree !== 'object' || tree === null) return false;
  if (Array.isArray(tree)) {
    const items = innerPlaces(at, undefined);
    return tree.some((item) => hasMarkedNumber(item, items));
  }
  return Object.entries(tree).some(([key, item]) => hasMarkedNumber(item, innerPlaces(at, key)));
}
