import type { TSchema } from 'typebox';
import type { Validator } from 'typebox/compile';
import type { Problem } from './result.ts';

const maxProblems = 20;

/** Every distinct problem that a compiled schema finds, worded for people; empty when the value is valid. */
export function schemaProblems(
  schema: Validator<Record<string, TSchema>, TSchema>,
  value: unknown,
): readonly Problem[] {
  const excess = isSmall(value) ? undefined : findExcess(value);
  if (excess !== undefined) return [excess];
  if (schema.Check(value)) return [];
  const problems = new Map<string, Problem>();
  for (const error of schema.Errors(value)) {
    // A false schema repeats what additionalProperties says, at the place where the reader looks for it.
    const unknownKey = error.keyword === 'boolean';
    if (error.keyword === 'additionalProperties' || error.keyword === 'anyOf') continue;
    const message = unknownKey
      ? 'is not a known field'
      : describe(error.keyword, error.params as Record<string, unknown>, error.message);
    const key = `${error.instancePath} ${message}`;
    if (!problems.has(key)) problems.set(key, { pointer: error.instancePath, message });
    if (problems.size >= maxProblems) break;
  }
  return problems.size > 0
    ? [...problems.values()]
    : [{ pointer: '', message: 'does not have the expected shape' }];
}

/**
 * Values in one input. What is right has hundreds; a body of 1 MiB can hold 300,000, and finding everything that is
 * wrong with those took a second.
 */
const maxValues = 10_000;

/** What nearly every value is, found without a word about where. False for what has to be looked at in full. */
function isSmall(value: unknown): boolean {
  return countDown(value, 1000, 16) >= 0;
}

/** How many of the allowed values are left; negative when there are more, or deeper ones. */
function countDown(value: unknown, allowed: number, levels: number): number {
  if (typeof value !== 'object' || value === null) return allowed;
  if (levels === 0) return -1;
  let left = allowed;
  if (Array.isArray(value)) {
    left -= value.length;
    for (let i = 0; i < value.length && left >= 0; i++) left = countDown(value[i], left, levels - 1);
    return left;
  }
  for (const key in value) {
    left -= 1;
    if (left < 0) break;
    left = countDown((value as Readonly<Record<string, unknown>>)[key], left, levels - 1);
  }
  return left;
}

/** Undefined when the whole value is within bounds; else where they are left. Looks no further than that. */
function findExcess(value: unknown): Problem | undefined {
  let seen = 0;
  const waiting: { readonly inner: object; readonly pointer: string }[] = [];
  const wait = (inner: unknown, pointer: string) => {
    if (typeof inner === 'object' && inner !== null) waiting.push({ inner, pointer });
  };
  wait(value, '');
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { inner, pointer } = next;
    const excess = {
      pointer: pointer.slice(0, 256),
      message: `goes beyond the ${maxValues} values that are looked at`,
    };
    // A list is not walked to learn its length, and keys one by one: a list of all of them costs more than the walk.
    if (Array.isArray(inner) && seen + inner.length > maxValues) return excess;
    for (const key in inner) {
      seen += 1;
      if (seen > maxValues) return excess;
      wait((inner as Readonly<Record<string, unknown>>)[key], `${pointer}/${key}`);
    }
  }
  return undefined;
}

function describe(keyword: string, params: Record<string, unknown>, message: string): string {
  switch (keyword) {
    case 'const':
      return `must be ${JSON.stringify(params.allowedValue)}`;
    case 'required':
      return `lacks ${Array.isArray(params.requiredProperties) ? params.requiredProperties.join(', ') : 'a required field'}`;
    default:
      return message;
  }
}
