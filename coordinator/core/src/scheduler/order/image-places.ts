import type { ReadOnly } from '../../read-only.ts';
import type { NodeRecord } from '../../slices/node/record.ts';

/** Nodes remembered of each image, and images. */
const maxNodes = 3;
const maxImages = 4096;
const nowhere: readonly ReadOnly<NodeRecord>[] = [];

/** Where images were pulled lately, as far as attempts tell: a task that is placed there starts at once. */
export class ImagePlaces {
  /** The least lately pulled first; of each the newest first. */
  readonly #places = new Map<string, readonly ReadOnly<NodeRecord>[]>();

  note(image: string, node: ReadOnly<NodeRecord>): void {
    const known = this.#places.get(image) ?? nowhere;
    if (known[0] === node) return;
    this.#places.delete(image);
    const [oldest] = this.#places.keys();
    if (this.#places.size >= maxImages && oldest !== undefined) this.#places.delete(oldest);
    this.#places.set(image, [node, ...known.filter((other) => other !== node)].slice(0, maxNodes));
  }

  /** At most three nodes. */
  of(image: string): readonly ReadOnly<NodeRecord>[] {
    return this.#places.get(image) ?? nowhere;
  }
}
