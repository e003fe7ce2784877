import type { TSchema } from 'typebox';
import type { Validator } from 'typebox/compile';
import type { Problem } from './result.ts';

const maxProblems = 20;

/** Every distinct problem that a compiled schema finds, worded for people; empty when the value is valid. */
export function schemaProblems(
  schema: Validator<Record<string, TSchema>, TSchema>,
  value: unknown,
): readonly Problem[] {
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
