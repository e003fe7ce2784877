import Format from 'typebox/format';
import type { Problem } from '../result.ts';
import { doubledItem, doubledWords } from './distinct.ts';
import { hintFor } from './hints.ts';
import { escapePointer } from './plain-text.ts';
import { type UnknownField, unknownField } from './unknown-field.ts';
import { expected, range, type WordedSchema } from './wording.ts';

/** Problems that are told of one value: nobody mends more at once. */
export const maxProblems = 20;

/**
 * Everything that keeps a value from fitting its schema, in words for people and in the order of the value. `foreign`
 * knows what fields of other languages are called here.
 */
export function explain(schema: WordedSchema, value: unknown, foreign?: UnknownField): readonly Problem[] {
  const explainer = new Explainer(schema, foreign);
  explainer.visit(schema, value, '');
  return explainer.problems;
}

class Explainer {
  readonly problems: Problem[] = [];
  readonly #root: WordedSchema;
  readonly #foreign: UnknownField | undefined;

  constructor(root: WordedSchema, foreign: UnknownField | undefined) {
    this.#root = root;
    this.#foreign = foreign;
  }

  visit(schema: WordedSchema, value: unknown, pointer: string): void {
    if (this.problems.length >= maxProblems) return;
    if (value === null && schema.type !== 'null' && schema.type !== undefined) {
      this.#tell(pointer, emptyWords(schema, pointer));
    } else if (schema.anyOf !== undefined) {
      this.#visitUnion(schema, schema.anyOf, value, pointer);
    } else if ('const' in schema) {
      if (value !== schema.const) this.#tellWrong(schema, value, pointer);
    } else if (schema.enum !== undefined) {
      if (!schema.enum.includes(value)) this.#tellWrong(schema, value, pointer);
    } else if (!isOfType(schema.type, value)) {
      this.#tellWrong(schema, value, pointer);
    } else if (typeof value === 'string') {
      this.#visitText(schema, value, pointer);
    } else if (typeof value === 'number') {
      const { exclusiveMinimum = -Infinity, minimum = -Infinity, maximum = Infinity } = schema;
      if (value < minimum || value > maximum || value <= exclusiveMinimum)
        this.#tell(pointer, `must be ${schema['x-expects'] ?? expectedNumber(schema)}`);
    } else if (Array.isArray(value)) {
      this.#visitList(schema, value, pointer);
    } else if (typeof value === 'object' && schema.type !== undefined && value !== null) {
      this.#visitMap(schema, value as Readonly<Record<string, unknown>>, pointer);
    }
  }

  #tell(pointer: string, message: string): void {
    if (this.problems.length < maxProblems) this.problems.push({ pointer, message });
  }

  #tellWrong(schema: WordedSchema, value: unknown, pointer: string): void {
    const hint = hintFor(schema, value, pointer);
    this.#tell(pointer, `must be ${expected(schema)}${hint === undefined ? '' : `; ${hint}`}`);
  }

  #visitText(schema: WordedSchema, text: string, pointer: string): void {
    const { format, maxLength = Infinity, minLength = 0, pattern } = schema;
    if (text.length > maxLength) this.#tell(pointer, `has more than ${maxLength} characters`);
    else if (text.length < minLength && schema['x-expects'] === undefined)
      this.#tell(pointer, minLength === 1 ? 'must not be empty' : `has less than ${minLength} characters`);
    else if (
      text.length < minLength ||
      (format !== undefined && !Format.Test(format, text)) ||
      !matches(pattern, text)
    )
      this.#tellWrong(schema, text, pointer);
  }

  #visitList(schema: WordedSchema, list: readonly unknown[], pointer: string): void {
    const { items, maxItems = Infinity, minItems = 0, uniqueItems, 'x-distinct': keys } = schema;
    if (list.length < minItems)
      this.#tell(pointer, minItems === 1 ? 'must not be empty' : `must have at least ${minItems} items`);
    if (list.length > maxItems) this.#tell(pointer, `has more than ${maxItems} items`);
    if (
      uniqueItems === true &&
      keys === undefined &&
      new Set(list.map((item) => JSON.stringify(item))).size < list.length
    )
      this.#tell(pointer, 'names the same twice');
    const doubled = keys === undefined || list.length > maxItems ? undefined : doubledItem(list, keys);
    if (doubled !== undefined) this.#tell(pointer, doubledWords(doubled));
    if (items === undefined) return;
    for (const [index, item] of list.entries()) {
      if (this.problems.length >= maxProblems) return;
      this.visit(items, item, `${pointer}/${index}`);
    }
  }

  #visitMap(schema: WordedSchema, map: Readonly<Record<string, unknown>>, pointer: string): void {
    const { maxProperties = Infinity, minProperties = 0, properties = {}, required = [] } = schema;
    const missing = required.filter((field) => !Object.hasOwn(map, field));
    if (missing.length > 0) this.#tell(pointer, missingWords(missing, properties));
    const count = Object.keys(map).length;
    if (count > maxProperties)
      this.#tell(pointer, `has more than ${maxProperties} ${maxProperties === 1 ? 'entry' : 'entries'}`);
    if (count < minProperties) this.#tell(pointer, `has less than ${minProperties} entries`);
    for (const [key, item] of Object.entries(map)) {
      if (this.problems.length >= maxProblems) return;
      const inner = `${pointer}/${escapePointer(key)}`;
      const field = Object.hasOwn(properties, key) ? properties[key] : entryOf(schema, key);
      if (field !== undefined) this.visit(field, item, inner);
      else if (schema.additionalProperties === false) this.#tellUnknown(schema, key, inner);
    }
  }

  #tellUnknown(schema: WordedSchema, key: string, pointer: string): void {
    // A record without fields of its own: its keys are names, and this is none.
    if (schema.properties === undefined && schema.patternProperties !== undefined)
      this.#tellWrong(keySchema(schema), key, pointer);
    else this.#tell(pointer, this.#foreign?.(pointer, key) ?? unknownField(this.#root, schema, key, pointer));
  }

  /** The branch that was most likely meant tells what is wrong; where that is unclear, the union says what it takes. */
  #visitUnion(
    schema: WordedSchema,
    branches: readonly WordedSchema[],
    value: unknown,
    pointer: string,
  ): void {
    if (value === null) {
      this.#tell(pointer, emptyWords(schema, pointer));
      return;
    }
    const tried = branches
      .filter((branch) => isOfType(branch.type, value) && (!('const' in branch) || branch.const === value))
      .map((branch) => {
        const inner = new Explainer(this.#root, this.#foreign);
        inner.visit(branch, value, pointer);
        return inner.problems;
      });
    if (tried.some((problems) => problems.length === 0)) return;
    const [best] = tried.sort((one, other) => one.length - other.length);
    if (best === undefined || (typeof value !== 'object' && schema['x-expects'] !== undefined))
      this.#tellWrong(schema, value, pointer);
    else for (const problem of best) this.#tell(problem.pointer, problem.message);
  }
}

/** Fields that are missing, and what those must be of which a word is known. */
function missingWords(
  missing: readonly string[],
  properties: Readonly<Record<string, WordedSchema>>,
): string {
  const told = missing.flatMap((field) => {
    const schema = properties[field];
    const isWorded = schema !== undefined && ('const' in schema || schema['x-expects'] !== undefined);
    return isWorded ? [`${field} must be ${expected(schema)}`] : [];
  });
  return [`lacks ${missing.join(', ')}`, ...told].join('; ');
}

function keySchema(schema: WordedSchema): WordedSchema {
  const hint = schema['x-key-hint'];
  return {
    'x-expects': schema['x-key'] ?? 'a name of another form',
    ...(hint === undefined ? {} : { 'x-hint': hint }),
  };
}

function entryOf({ patternProperties = {} }: WordedSchema, key: string): WordedSchema | undefined {
  return Object.entries(patternProperties).find(([pattern]) => matches(pattern, key))?.[1];
}

function matches(pattern: string | undefined, text: string): boolean {
  return pattern === undefined || new RegExp(pattern, 'u').test(text);
}

function isOfType(type: string | undefined, value: unknown): boolean {
  switch (type) {
    case undefined:
      return true;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'null':
      return value === null;
    default:
      return typeof value === type;
  }
}

function expectedNumber(schema: WordedSchema): string {
  return `${schema.type === 'integer' ? 'a whole number' : 'a number'}${range(schema)}`;
}

/** Compose takes a variable without a value from the shell; here nothing does. */
function emptyWords(schema: WordedSchema, pointer: string): string {
  if (pointer === '') return `is empty: it must be ${expected(schema)}`;
  const takesEmpty = [schema, ...(schema.anyOf ?? [])].some(
    ({ minLength = 0, pattern, type, 'x-expects': words }) =>
      type === 'string' && pattern === undefined && minLength === 0 && words === undefined,
  );
  return takesEmpty
    ? 'has no value: write "" for an empty value, or remove it'
    : `has no value: it must be ${expected(schema)}, or be left out`;
}
