/** Deeper values are refused: nothing we write is nested so far, and the walk recurses. */
export const maxCanonicalDepth = 64;

// A text without these is its own JSON body. Surrogates take the slow path, which tells pairs from lone ones.
// oxlint-disable-next-line no-control-regex -- JSON escapes exactly these (RFC 8259 section 7)
const needsCare = /["\\\u0000-\u001f\ud800-\udfff]/;

function quote(text: string): string {
  if (!needsCare.test(text)) return `"${text}"`;
  if (!text.isWellFormed()) throw new RangeError('canonical JSON: text with a lone surrogate');
  return JSON.stringify(text);
}

function writeArray(items: readonly unknown[], depth: number): string {
  let text = '[';
  for (let i = 0; i < items.length; i++) {
    if (i > 0) text += ',';
    text += write(items[i], depth);
  }
  return `${text}]`;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.getOwnPropertySymbols(value).length === 0;
}

function sortedKeys(value: object): readonly string[] {
  const keys = Object.keys(value);
  // Most writers spell their literals in order; then no sort is needed. `<` compares UTF-16 code units,
  // as RFC 8785 section 3.2.3 asks, and so does sort().
  for (let i = 1; i < keys.length; i++) {
    if ((keys[i - 1] as string) > (keys[i] as string)) return keys.sort();
  }
  return keys;
}

function writeObject(value: Readonly<Record<string, unknown>>, depth: number): string {
  if (!isPlain(value)) throw new TypeError('canonical JSON: only plain objects with text keys');
  let text = '';
  for (const key of sortedKeys(value)) {
    const property = value[key];
    if (property === undefined) continue;
    text += text === '' ? `${quote(key)}:` : `,${quote(key)}:`;
    text += write(property, depth);
  }
  return `{${text}}`;
}

function write(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
      if (!Number.isSafeInteger(value)) throw new RangeError('canonical JSON: only safe integers');
      return `${value}`;
    case 'bigint':
      return `"${value}"`;
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      if (value === null) return 'null';
      if (depth === maxCanonicalDepth) throw new RangeError('canonical JSON: nested too deeply');
      if (Array.isArray(value)) return writeArray(value, depth + 1);
      return writeObject(value as Readonly<Record<string, unknown>>, depth + 1);
    case 'function':
    case 'symbol':
    case 'undefined':
      throw new TypeError(`canonical JSON: a value of type ${typeof value}`);
  }
}

/**
 * Whether the engine's own JSON.stringify would give the canonical text: keys already in order, no bigint, nothing
 * to refuse. False when in doubt; `write` then decides and names the fault. Events are written with their keys
 * in order, and for those this halves the time (two cheap native passes instead of building the text here).
 */
function isInOrder(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isSafeInteger(value);
    case 'object':
      if (value === null) return true;
      if (depth === maxCanonicalDepth) return false;
      return Array.isArray(value) ? isArrayInOrder(value, depth + 1) : isObjectInOrder(value, depth + 1);
    case 'bigint':
    case 'function':
    case 'symbol':
    case 'undefined':
      return false;
  }
}

function isArrayInOrder(items: readonly unknown[], depth: number): boolean {
  for (let i = 0; i < items.length; i++) if (!isInOrder(items[i], depth)) return false;
  return true;
}

function isObjectInOrder(value: object, depth: number): boolean {
  if (!isPlain(value)) return false;
  let last = '';
  for (const key in value) {
    if (key < last) return false;
    last = key;
    const property = (value as Readonly<Record<string, unknown>>)[key];
    if (property !== undefined && !isInOrder(property, depth)) return false;
  }
  return true;
}

/**
 * The one JSON text of a value (RFC 8785), for hashing and signing: keys ordered by UTF-16 code units, no white
 * space. A bigint becomes a decimal string; a property that is undefined is left out. Numbers are safe
 * integers only, so that no float formatting is ever part of a hash. What has no canonical form is a
 * programmer's error: TypeError for a kind of value (function, symbol, Map, class instance, undefined in an
 * array), RangeError for a number, a lone surrogate or a depth over 64 (which a cycle reaches too).
 */
export function canonicalJson(value: unknown): string {
  if (isInOrder(value, 0)) {
    const text = JSON.stringify(value);
    // JSON.stringify escapes a lone surrogate and nothing else this way; a literal `\\ud` only costs a second look.
    if (!text.includes('\\ud')) return text;
  }
  return write(value, 0);
}
