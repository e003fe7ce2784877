/**
 * A deep copy of plain data that nobody can change: primitives, arrays and objects without a class. Throws for anything else,
 * because a live record in an answer would let a room see what is not on disk yet.
 */
export function frozenCopy<T>(value: T): T {
  return copyOf(value) as T;
}

function copyOf(value: unknown): unknown {
  if (typeof value === 'function' || typeof value === 'symbol')
    throw new TypeError(`an answer holds a ${typeof value}`);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return Object.freeze(value.map(copyOf));
  if (Object.getPrototypeOf(value) !== Object.prototype)
    throw new TypeError(`an answer holds an instance of ${value.constructor.name}`);
  const copy: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(value)) copy[key] = copyOf(each);
  return Object.freeze(copy);
}
