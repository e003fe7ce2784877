import type { Problem } from '../result.ts';

/**
 * Text that nothing can keep is refused wherever text comes in. A lone surrogate, which JSON can spell ("\ud800"), has no
 * UTF-8 form, so it can be neither hashed nor sent. U+0000 ends text in C, in the arguments of processes and in PostgreSQL.
 */
export function isPlainText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/**
 * What is seen as nothing, or changes how other text is seen: control characters, marks that turn the direction of writing,
 * spaces without width, fillers, tags, breaks of lines, and half of a surrogate pair.
 */
const hiddenClass = '\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}\\p{Default_Ignorable_Code_Point}';
const hidden = new RegExp(`[${hiddenClass}]`, 'u');
const everyHidden = new RegExp(`[${hiddenClass}]`, 'gu');
const spaces = /[\t\n\v\f\r\u0085\u2028\u2029]+/g;
const notAscii = /[^\x20-\x7e]/;

/** Pattern of one line of text of which a reader sees every character; `count` is a quantifier such as {1,63}. */
export function shownTextPattern(count = '*'): string {
  return `^[^${hiddenClass}]${count}$`;
}

/** Whether a reader sees every character of a text. What one stranger writes and another reads has to be such text. */
export function isShownText(text: string): boolean {
  return !notAscii.test(text) || !hidden.test(text);
}

/** The text in one line, with a replacement character for each that a reader would not see. For what programs say. */
export function toShownText(text: string): string {
  if (!notAscii.test(text)) return text;
  return text.replace(spaces, ' ').replace(everyHidden, '\ufffd');
}

/**
 * JSON text with an escape for each character that a reader would not see. It is the same value to every reader of JSON, and
 * harmless where it is shown as it stands.
 */
export function escapeHidden(json: string): string {
  if (!notAscii.test(json)) return json;
  return json.replace(everyHidden, (character) =>
    // Between values these are layout, and no JSON text has them within a string.
    /[\t\n\r]/.test(character)
      ? character
      : Array.from(
          { length: character.length },
          (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
        ).join(''),
  );
}

/** JSON of a value that holds text of strangers, for people and terminals as well as for programs. */
export function shownJson(value: unknown): string {
  return escapeHidden(JSON.stringify(value));
}

/** Whether a reader sees every character of every text of a value, keys included. */
export function holdsShownText(value: unknown): boolean {
  return everyText(value, isShownText);
}

/** Whether every text of a value, keys included, is plain. */
export function holdsPlainText(value: unknown): boolean {
  return everyText(value, isPlainText);
}

/** However deep the value is: nothing here calls itself. */
function everyText(value: unknown, is: (text: string) => boolean): boolean {
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next === 'string' && !is(next)) return false;
    if (typeof next !== 'object' || next === null) continue;
    if (Array.isArray(next)) {
      for (const item of next) waiting.push(item);
      continue;
    }
    for (const key in next) {
      if (!is(key)) return false;
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
