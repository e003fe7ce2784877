import { check } from './observation.ts';

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** The log as it was made durable: a number an entry, to hold it against what is read back. */
export class LineHashes {
  readonly #hashes: number[] = [];
  readonly #digests = new Map<number, string>();

  get size(): number {
    return this.#hashes.length;
  }

  append(first: number, lines: readonly string[]): void {
    check(first === this.size, 'log.gap', () => `entry ${first} is written where ${this.size} is due`);
    for (const line of lines) this.#hashes.push(hashOf(line));
  }

  compare(first: number, lines: readonly string[]): void {
    check(
      first + lines.length <= this.size,
      'log.gap',
      () => `${first + lines.length} entries are read and ${this.size} were written`,
    );
    lines.forEach((line, i) => {
      const isSame = hashOf(line) === this.#hashes[first + i];
      check(isSame, 'log.rewritten', () => `entry ${first + i} is now ${line}`);
    });
  }

  checkSize(size: number): void {
    check(size >= this.size, 'log.lost', () => `${size} entries are left of ${this.size}`);
    check(size <= this.size, 'log.gap', () => `${size} entries are there and ${this.size} were written`);
  }

  /** The state after so many entries is always the same. */
  checkDigest(size: number, stateHash: string): void {
    const known = this.#digests.get(size);
    check(
      known === undefined || known === stateHash,
      'log.replay',
      () => `the state after ${size} entries is ${stateHash} and was ${known ?? ''}`,
    );
    this.#digests.set(size, stateHash);
  }
}
