import type { TSchema } from 'typebox';
import type { Validator } from 'typebox/compile';
import type { Problem } from '../result.ts';
import { explain, maxProblems } from './explain.ts';
import { holdsPlainText, textProblems } from './plain-text.ts';
import type { UnknownField } from './unknown-field.ts';
import type { WordedSchema } from './wording.ts';

/**
 * Every distinct problem of a value, worded for people; empty when the value is valid: when its schema takes it and all of
 * its text can be kept. Explaining is dearer than checking, so it is done only where the check fails.
 */
export function schemaProblems(
  schema: Validator<Record<string, TSchema>, TSchema>,
  value: unknown,
  foreign?: UnknownField,
): readonly Problem[] {
  const excess = isSmall(value) ? undefined : findExcess(value);
  if (excess !== undefined) return [excess];
  const isPlain = holdsPlainText(value);
  if (schema.Check(value)) return isPlain ? [] : textProblems(value, maxProblems);
  const problems = [
    ...explain(schema.Type() as WordedSchema, value, foreign),
    ...(isPlain ? [] : textProblems(value, maxProblems)),
  ];
  return problems.length > 0
    ? problems.slice(0, maxProblems)
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
