/** Thrown when a key has as many actions as its queue may hold. */
export class QueueFull extends Error {
  override readonly name = 'QueueFull';
}

interface Line {
  tail: Promise<unknown>;
  length: number;
}

/** Runs the actions of one key one after the other. Different keys do not wait for each other. */
export class KeyedQueue {
  readonly #maxPerKey: number;
  readonly #lines = new Map<string, Line>();

  /** `maxPerKey` counts the running action, too. */
  constructor(maxPerKey: number) {
    this.#maxPerKey = maxPerKey;
  }

  /** How many keys have an action that runs or waits. */
  get size(): number {
    return this.#lines.size;
  }

  /** Settles as the action does, whatever became of the actions before it. Rejects with QueueFull at the bound. */
  async run<T>(key: string, action: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(key) ?? { tail: Promise.resolve(), length: 0 };
    if (line.length >= this.#maxPerKey)
      throw new QueueFull(`${this.#maxPerKey} actions for ${key} run or wait already`);
    line.length += 1;
    this.#lines.set(key, line);
    const result = line.tail.then(action);
    line.tail = result.catch(() => undefined);
    try {
      return await result;
    } finally {
      line.length -= 1;
      if (line.length === 0) this.#lines.delete(key);
    }
  }
}
