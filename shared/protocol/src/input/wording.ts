/** What is read of a JSON schema, as TypeBox writes it, to explain why a value does not fit. */
export interface WordedSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly WordedSchema[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly items?: WordedSchema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  /** Keys by which a list names no item twice, in distinct.ts. */
  readonly 'x-distinct'?: readonly (readonly string[])[];
  readonly properties?: Readonly<Record<string, WordedSchema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, WordedSchema>>;
  readonly additionalProperties?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  /** What the value must be, to be read after "must be". */
  readonly 'x-expects'?: string;
  /** Names what turns a value that does not fit into what was meant, in hints.ts. */
  readonly 'x-hint'?: string;
  /** Of a record: what its keys must be, and a hint of theirs. */
  readonly 'x-key'?: string;
  readonly 'x-key-hint'?: string;
  /** Of a map: the field that a single value in its place most likely means. */
  readonly 'x-short'?: string;
}

/**
 * Keywords of a schema with a pattern, a format or a union, which nobody would understand as they are: what is expected,
 * and how to guess what was meant. Validators pass over them.
 */
export function expects(
  words: string,
  hint?: string,
): { readonly 'x-expects': string; readonly 'x-hint'?: string } {
  return { 'x-expects': words, ...(hint === undefined ? {} : { 'x-hint': hint }) };
}

/** The same for the keys of a record. */
export function expectsKey(
  words: string,
  hint?: string,
): { readonly 'x-key': string; readonly 'x-key-hint'?: string } {
  return { 'x-key': words, ...(hint === undefined ? {} : { 'x-key-hint': hint }) };
}

const mostFields = 8;

/** What a schema takes, to be read after "must be". Never a pattern. */
export function expected(schema: WordedSchema): string {
  const { anyOf, const: only, enum: choices, type } = schema;
  const words = schema['x-expects'];
  if (words !== undefined) return words;
  if ('const' in schema) return JSON.stringify(only);
  if (choices !== undefined) return oneOf(choices);
  if (anyOf !== undefined)
    return anyOf.every((each) => 'const' in each)
      ? oneOf(anyOf.map((each) => each.const))
      : [...new Set(anyOf.map(expected))].join(', or ');
  switch (type) {
    case 'string':
      return textWords(schema);
    case 'integer':
      return `a whole number${range(schema)}`;
    case 'number':
      return `a number${range(schema)}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return 'a list';
    case 'object':
      return mapWords(schema);
    case undefined:
    default:
      return 'another value';
  }
}

function oneOf(choices: readonly unknown[]): string {
  const texts = choices.map((each) => (typeof each === 'string' ? each : JSON.stringify(each)));
  return texts.length === 1 ? `${texts[0]}` : `one of ${texts.join(', ')}`;
}

function textWords({ format, pattern }: WordedSchema): string {
  if (format === 'date-time') return 'a time such as 2030-01-31T12:00:00Z';
  return pattern === undefined ? 'text' : 'text of the form that is documented';
}

export function range({ exclusiveMinimum, minimum, maximum }: WordedSchema): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`;
  if (exclusiveMinimum !== undefined) return ` above ${exclusiveMinimum}`;
  if (minimum !== undefined) return ` of at least ${minimum}`;
  return maximum === undefined ? '' : ` of at most ${maximum}`;
}

function mapWords({ properties = {} }: WordedSchema): string {
  const fields = Object.keys(properties);
  if (fields.length === 0) return 'a map of names and values';
  const more = fields.length > mostFields ? ' …' : '';
  return `a map with the ${fields.length === 1 ? 'field' : 'fields'} ${fields.slice(0, mostFields).join(', ')}${more}`;
}
