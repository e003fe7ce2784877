/**
 * Marks a schema that takes numbers as well as text, where what counts is the text as it was written: the value of a
 * variable. The keyword means nothing to a validator.
 */
export const asWritten = { 'x-as-written': true } as const;

/** Beyond 2^53 neighbours share one number, so readers of JSON on the way may have changed it: it has to be quoted. */
export function isExact(value: unknown): boolean {
  return typeof value !== 'number' || Math.abs(value) <= Number.MAX_SAFE_INTEGER;
}
