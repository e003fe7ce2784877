import { hash } from 'node:crypto';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { contentsOf } from '../features/of-assignment.ts';

/** Some hundred bytes each, so that a life of many tasks takes no more than a megabyte. */
const maxKnownPrograms = 4096;

/**
 * Programs that were found. The image and what the features put into the container decide which there are, and none of that
 * can change. So a program that is gone later is a layer that the node has lost, as an engine may after a full disk.
 */
export class KnownPrograms {
  readonly #found = new Set<string>();

  has(assignment: Assignment, image: string, candidates: readonly string[]): boolean {
    return this.#found.has(keyOf(assignment, image, candidates));
  }

  add(assignment: Assignment, image: string, candidates: readonly string[]): void {
    const key = keyOf(assignment, image, candidates);
    // The newest comes last: what was used recently stays.
    this.#found.delete(key);
    this.#found.add(key);
    for (const oldest of this.#found) {
      if (this.#found.size <= maxKnownPrograms) return;
      this.#found.delete(oldest);
    }
  }
}

function keyOf(assignment: Assignment, image: string, candidates: readonly string[]): string {
  return hash('sha256', JSON.stringify([image, candidates, contentsOf(assignment)]));
}
