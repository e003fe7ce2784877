import type { Problem } from './result.ts';

/**
 * Text that nothing can keep is refused wherever text comes in. A lone surrogate, which JSON can spell ("\ud800"), has no
 * UTF-8 form, so it can be neither hashed nor sent. U+0000 ends text in C, in the arguments of processes and in PostgreSQL.
 */
export function isPlainText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** The text with a replacement character for each thing that nothing can keep. For what programs say, never for input. */
export function toPlainText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

/** Whether every text of a value, keys included, is plain. However deep it is: nothing here calls itself. */
export function holdsPlainText(value: unknown): boolean {
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next === 'string' && !isPlainText(next)) return false;
    if (typeof next !== 'object' || next === null) continue;
    if (Array.isArray(next)) {
      for (const item of next) waiting.push(item);
      continue;
    }
    for (const key in next) {
      if (!isPlainText(key)) return false;
      waiting.push((next as Readonly<Record<string, unknown>>)[key]);
    }
  }
  return true;
}

const nul = 'holds the character U+0000, which no text may hold';
const surrogate = 'holds text that is not valid Unicode (a lone surrogate)';

function textFault(text: string): string | undefined {
  if (text.includes('\0')) return nul;
  return text.isWellFormed() ? undefined : surrogate;
}

/** Where in a value text stands that is not plain, at most as often as is asked for. */
export function textProblems(value: unknown, most: number): Problem[] {
  const problems: Problem[] = [];
  const waiting: { readonly value: unknown; readonly pointer: string }[] = [{ value, pointer: '' }];
  for (let next = waiting.pop(); next !== undefined && problems.length < most; next = waiting.pop()) {
    const { pointer } = next;
    const fault = typeof next.value === 'string' ? textFault(next.value) : undefined;
    if (fault !== undefined) problems.push({ pointer, message: fault });
    if (typeof next.value !== 'object' || next.value === null) continue;
    // The last that waits is looked at first, and problems are told in the order of the value.
    for (const [key, inner] of Object.entries(next.value).reverse()) {
      const keyFault = textFault(key);
      if (keyFault !== undefined) problems.push({ pointer, message: `has a key that ${keyFault}` });
      waiting.push({ value: inner, pointer: `${pointer}/${escapePointer(key)}` });
    }
  }
  return problems.slice(0, most);
}

/** A key as a part of a JSON Pointer (RFC 6901). */
export function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
