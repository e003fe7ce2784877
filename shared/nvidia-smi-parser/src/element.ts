/** What fast-xml-parser makes of an element: its text, an object of its children, or a list of siblings. */
export type Element = unknown;

/** The key of mixed text beside child elements; `#` cannot start a tag. */
const textKey = '#text';
const attributePrefix = '@_';

function first(element: Element): Element {
  return Array.isArray(element) ? element[0] : element;
}

/** Own keys only, so that no tag's name can reach a prototype. */
function own(element: Element, name: string): Element {
  const object = first(element);
  if (typeof object !== 'object' || object === null || !Object.hasOwn(object, name)) return undefined;
  return (object as Readonly<Record<string, Element>>)[name];
}

/** The first child along a path of tags. */
export function childOf(element: Element, ...path: readonly string[]): Element {
  let found = first(element);
  for (const name of path) found = first(own(found, name));
  return found;
}

export function childrenOf(element: Element, name: string): readonly Element[] {
  const found = own(element, name);
  if (found === undefined) return [];
  return Array.isArray(found) ? found : [found];
}

/** Child elements with their tags; neither text nor attributes. */
export function entriesOf(element: Element): readonly (readonly [string, Element])[] {
  const object = first(element);
  if (typeof object !== 'object' || object === null) return [];
  return Object.entries(object).filter(([name]) => name !== textKey && !name.startsWith(attributePrefix));
}

export function hasChildren(element: Element): boolean {
  return entriesOf(element).length > 0;
}

const predefined: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&apos;': "'",
  '&amp;': '&',
};

/** One pass over XML's five fixed entities: an answer is never longer than its question. */
function decodePredefined(text: string): string {
  return text.includes('&')
    ? text.replace(/&(?:lt|gt|quot|apos|amp);/g, (entity) => predefined[entity] ?? entity)
    : text;
}

/** The element's own text, trimmed; empty if it has none. */
export function textOf(element: Element): string {
  const node = first(element);
  const text = typeof node === 'string' ? node : own(node, textKey);
  return typeof text === 'string' ? decodePredefined(text).trim() : '';
}

export function attributeOf(element: Element, name: string): string {
  const value = own(element, attributePrefix + name);
  return typeof value === 'string' ? decodePredefined(value).trim() : '';
}
