/** An invariant does not hold: a programmer's error, or a damaged log. The process must not go on. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export function invariant(holds: boolean, message: string): asserts holds {
  if (!holds) throw new InvariantError(message);
}

/** For the hot path: `if (!holds) broken(…)` builds the message only when there is something to say. */
export function broken(message: string): never {
  throw new InvariantError(message);
}

export function mustGet<K, V>(map: ReadonlyMap<K, V>, key: K, what: string): V {
  const value = map.get(key);
  if (value === undefined) throw new InvariantError(`${what} ${String(key)} is not in the state`);
  return value;
}

/** For the default branch of an exhaustive switch: the compiler proves it unreachable, a damaged log may not. */
export function unreachable(value: never): never {
  throw new InvariantError(`unexpected value ${JSON.stringify(value)}`);
}
