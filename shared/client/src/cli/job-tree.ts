import { Spelled } from '@capacloud/protocol/job/spelling';
import {
  type Alias,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Scalar,
  type YAMLMap,
} from 'yaml';

/** What a document holds, its aliases followed and its merge keys merged; numbers and booleans keep their spelling. */
export interface JobTree {
  readonly value: unknown;
  /** Offset in the text of each value, by its pointer. */
  readonly places: ReadonlyMap<string, number>;
}

/** The document cannot be read as plain data; `offset` is where that shows. */
export class TreeFault extends Error {
  override readonly name = 'TreeFault';
  readonly offset: number | undefined;

  constructor(message: string, offset: number | undefined) {
    super(message);
    this.offset = offset;
  }
}

/** Values that may stand in a file through aliases: a few lines of YAML can stand for gigabytes. */
const maxAliased = 10_000;
/** Deeper than anything that a job file has. */
const maxDepth = 64;
export const tooDeep = `is nested more than ${maxDepth} levels deep`;
const withinItself = `${tooDeep}: an alias may not stand inside what it stands for`;

export function treeOf({ contents }: Document): JobTree {
  const reader = new TreeReader();
  reader.bind(contents, 0);
  return { value: reader.read(contents, '', 0), places: reader.places };
}

class TreeReader {
  readonly places = new Map<string, number>();
  readonly #anchors = new Map<string, unknown>();
  readonly #targets = new Map<unknown, unknown>();
  /** How many aliases stand around what is being read. */
  #aliases = 0;
  #aliased = 0;

  /** An alias stands for the last node before it that has its anchor. One walk finds them all. */
  bind(node: unknown, depth: number): void {
    if (depth > maxDepth) throw new TreeFault(tooDeep, offsetOf(node));
    if (isAlias(node)) this.#targets.set(node, this.#anchors.get(node.source));
    if (!isCollection(node) && !isScalar(node)) return;
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (!isCollection(node)) return;
    for (const item of node.items) {
      if (isPair(item)) this.bind(item.key, depth + 1);
      this.bind(isPair(item) ? item.value : item, depth + 1);
    }
  }

  read(node: unknown, pointer: string, depth: number): unknown {
    const offset = offsetOf(node);
    if (depth > maxDepth) throw new TreeFault(this.#aliases > 0 ? withinItself : tooDeep, offset);
    if (this.#aliases > 0) this.#aliased += 1;
    if (this.#aliased > maxAliased)
      throw new TreeFault(`uses aliases that stand for more than ${maxAliased} values`, offset);
    if (isAlias(node)) return this.#behind(node, (target) => this.read(target, pointer, depth + 1));
    if (offset !== undefined) this.places.set(pointer, offset);
    if (isMap(node)) return this.#readMap(node, pointer, depth);
    if (isSeq(node))
      return node.items.map((item, index) => this.read(item, `${pointer}/${index}`, depth + 1));
    if (isScalar(node)) return scalarOf(node);
    // As it was set.
    return typeof node === 'string' ? node : null;
  }

  #behind<T>(alias: Alias, use: (target: unknown) => T): T {
    const target = this.#targets.get(alias);
    if (target === undefined)
      throw new TreeFault(
        `*${alias.source} needs an anchor &${alias.source} before it; text that begins with * needs quotes around it`,
        offsetOf(alias),
      );
    this.#aliases += 1;
    const result = use(target);
    this.#aliases -= 1;
    return result;
  }

  #readMap(map: YAMLMap, pointer: string, depth: number): unknown {
    const value: Record<string, unknown> = {};
    const merged: unknown[] = [];
    for (const { key, value: item } of map.items) {
      if (isMergeKey(key)) {
        merged.push(item);
        continue;
      }
      const name = nameOf(key);
      const inner = `${pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
      const keyOffset = offsetOf(key);
      if (keyOffset !== undefined) this.places.set(inner, keyOffset);
      // Defined, not assigned: `__proto__` is a name like any other.
      define(value, name, this.read(item, inner, depth + 1));
      // What begins on the next line is looked for where its name stands.
      if (isCollection(item) && item.flow !== true && keyOffset !== undefined)
        this.places.set(inner, keyOffset);
    }
    // The map's own keys count, then those of what is named first.
    for (const source of merged) this.#merge(source, value, pointer, depth);
    return value;
  }

  #merge(source: unknown, into: Record<string, unknown>, pointer: string, depth: number): void {
    if (depth > maxDepth) throw new TreeFault(withinItself, offsetOf(source));
    if (isAlias(source)) {
      this.#behind(source, (target) => this.#merge(target, into, pointer, depth + 1));
    } else if (isSeq(source)) {
      for (const item of source.items) this.#merge(item, into, pointer, depth + 1);
    } else if (isMap(source)) {
      const known = new Map(this.places);
      const more = this.#readMap(source, pointer, depth + 1) as Record<string, unknown>;
      for (const [name, item] of Object.entries(more))
        if (!Object.hasOwn(into, name)) define(into, name, item);
      for (const [place, offset] of known) this.places.set(place, offset);
    } else {
      throw new TreeFault('merges (<<) what is not a map', offsetOf(source));
    }
  }
}

function define(into: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(into, name, { value, enumerable: true, configurable: true, writable: true });
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.type === Scalar.PLAIN && key.source === '<<';
}

/** A key is text as it was written, whatever it looks like. */
function nameOf(key: unknown): string {
  if (isCollection(key) || isAlias(key)) throw new TreeFault('has a key that is not text', offsetOf(key));
  if (!isScalar(key)) return typeof key === 'string' ? key : '';
  return typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
}

function scalarOf({ source, value }: Scalar): unknown {
  if (value === null || typeof value === 'string') return value;
  // YAML 1.1, which a file may ask for, has dates besides.
  if (typeof value !== 'number' && typeof value !== 'boolean') return source ?? null;
  return source === undefined ? value : new Spelled(source, value);
}

function offsetOf(node: unknown): number | undefined {
  return isAlias(node) || isCollection(node) || isScalar(node) ? node.range?.[0] : undefined;
}
