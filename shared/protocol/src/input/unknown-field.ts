import { nearest } from './nearest.ts';
import type { WordedSchema } from './wording.ts';

/** What to say of a field that is not known, or undefined where nothing better is known than that. */
export type UnknownField = (pointer: string, key: string) => string | undefined;

/** The field that was probably meant: spelt otherwise, standing elsewhere in the schema, or mistyped. */
export function unknownField(root: WordedSchema, at: WordedSchema, key: string, pointer: string): string {
  const odd = /[\p{Cf}\p{Z}]/u.exec(key.replaceAll(' ', ''))?.[0];
  if (odd !== undefined)
    return `is not a known field: it holds the character U+${odd.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}, which is not seen; write plain spaces, or nothing`;
  const here = Object.keys(at.properties ?? {});
  const respelt = here.find((field) => bare(field) === bare(key));
  if (respelt !== undefined) return `is not a known field; did you mean ${respelt}?`;
  const elsewhere = placesOf(root, bare(key));
  if (elsewhere.length > 0 && elsewhere.length <= 2 && pointer.length < 256)
    return `is not a field here; did you mean ${elsewhere.map(fromTop).join(' or ')}?`;
  const guess = nearest(key, here);
  return guess === undefined ? 'is not a known field' : `is not a known field; did you mean ${guess}?`;
}

function fromTop(place: string): string {
  return place.includes('.') ? place : `${place} at the top of the file`;
}

/** As spellings differ between languages: maxAttempts, max-attempts, max_attempts. */
function bare(key: string): string {
  return key.toLowerCase().replace(/[-_. ]/g, '');
}

const mostDepth = 8;

/** Where fields of a name stand, from the top, with dots between. Lists and unions are looked into. */
function placesOf(schema: WordedSchema, name: string, path: readonly string[] = []): readonly string[] {
  if (path.length > mostDepth) return [];
  const found = new Set<string>();
  for (const [field, inner] of Object.entries(schema.properties ?? {})) {
    const own = [...path, field];
    if (bare(field) === name) found.add(own.join('.'));
    for (const place of placesOf(inner, name, own)) found.add(place);
  }
  for (const inner of [schema.items, ...(schema.anyOf ?? [])])
    if (inner !== undefined) for (const place of placesOf(inner, name, path)) found.add(place);
  return [...found];
}
