import { doubledItem, type ItemKey } from '@capacloud/protocol/input/distinct';
import { isPlainText } from '@capacloud/protocol/input/plain-text';
import fc from 'fast-check';

/** What is read of a JSON schema as TypeBox writes it. */
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly 'x-distinct'?: readonly ItemKey[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly maxProperties?: number;
}

/** Larger lists and texts take long and find no more; the bounds have tests of their own. */
const mostItems = 6;
const mostLength = 80;

/** Values of a schema, drawn from the schema itself. Throws for a keyword that it does not know. */
export function valuesOf(schema: object): fc.Arbitrary<unknown> {
  const { type, const: only, enum: choices, anyOf } = schema as Schema;
  if ('const' in schema) return fc.constant(only);
  if (choices !== undefined) return fc.constantFrom(...choices);
  if (anyOf !== undefined) return fc.oneof(...anyOf.map(valuesOf));
  switch (type) {
    case 'string':
      return textsOf(schema);
    case 'integer':
      return integersOf(schema);
    case 'number':
      return numbersOf(schema);
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return listsOf(schema);
    case 'object':
      return objectsOf(schema);
    case undefined:
      return fc
        .jsonValue({ maxDepth: 2 })
        .map((value) => JSON.parse(JSON.stringify(value).replaceAll('\\u0000', ' ')) as unknown);
    default:
      throw new RangeError(`values of the type ${type} are not known`);
  }
}

function textsOf({ pattern, format, minLength = 0, maxLength = mostLength }: Schema): fc.Arbitrary<string> {
  const most = Math.min(maxLength, Math.max(minLength, mostLength));
  if (format === 'date-time')
    return fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date('9999-12-31') })
      .map((date) => date.toISOString());
  // fast-check draws from no classes of Unicode.
  if (pattern?.includes('\\p{') === true)
    return fc
      .string({ unit: 'grapheme', minLength, maxLength: Math.min(most, 60) })
      .filter((text) => text !== '' && text.length <= most && new RegExp(pattern, 'u').test(text));
  if (pattern === undefined)
    return fc
      .string({ unit: 'binary', minLength, maxLength: most })
      .map((text) => text.replaceAll('\0', ' '));
  return fc
    .stringMatching(new RegExp(pattern, 'u'))
    .filter((text) => isPlainText(text) && text.length >= minLength && text.length <= maxLength);
}

function integersOf({ minimum, maximum }: Schema): fc.Arbitrary<number> {
  const min = minimum ?? Number.MIN_SAFE_INTEGER;
  const max = maximum ?? Number.MAX_SAFE_INTEGER;
  return fc.oneof(
    fc.maxSafeInteger().map((n) => min + (Math.abs(n) % (Math.min(max - min, 2 ** 52) + 1))),
    fc.constantFrom(min, max),
  );
}

function numbersOf({ minimum, maximum, exclusiveMinimum }: Schema): fc.Arbitrary<number> {
  return (
    fc
      .double({
        noNaN: true,
        noDefaultInfinity: true,
        min: minimum ?? exclusiveMinimum ?? -1e9,
        max: maximum ?? 1e9,
        minExcluded: exclusiveMinimum !== undefined,
      })
      // JSON has no negative zero.
      .map((value) => (value === 0 ? 0 : value))
  );
}

function listsOf({
  items = {},
  minItems = 0,
  maxItems = mostItems,
  uniqueItems,
  'x-distinct': keys,
}: Schema): fc.Arbitrary<unknown[]> {
  const bounds = { minLength: minItems, maxLength: Math.min(maxItems, Math.max(minItems, mostItems)) };
  if (uniqueItems === true)
    return fc.uniqueArray(valuesOf(items), { ...bounds, selector: (item) => JSON.stringify(item) });
  if (keys !== undefined)
    return fc
      .array(valuesOf(items), bounds)
      .map((list) => withoutDoubles(list, keys))
      .filter((list) => list.length >= minItems);
  return fc.array(valuesOf(items), bounds);
}

/** The first of those that name the same. */
function withoutDoubles(list: readonly unknown[], keys: readonly ItemKey[]): unknown[] {
  const kept: unknown[] = [];
  for (const item of list) if (doubledItem([...kept, item], keys) === undefined) kept.push(item);
  return kept;
}

function objectsOf(schema: Schema): fc.Arbitrary<Record<string, unknown>> {
  const { properties = {}, required = [], patternProperties = {} } = schema;
  const fields = Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, valuesOf(value)]));
  const named = fc.record(fields, { requiredKeys: [...required] });
  const records = Object.entries(patternProperties).map(([pattern, value]) =>
    fc.dictionary(textsOf({ pattern }), valuesOf(value), {
      maxKeys: Math.min(schema.maxProperties ?? 3, 3),
      noNullPrototype: true,
    }),
  );
  return fc.tuple(named, ...records).map(([own, ...more]) => {
    const joined: Record<string, unknown> = {};
    // Defined, not assigned: `__proto__` is a name as any other.
    for (const part of [...more, own])
      for (const [key, value] of Object.entries(part))
        Object.defineProperty(joined, key, { value, enumerable: true, configurable: true, writable: true });
    return joined;
  });
}
