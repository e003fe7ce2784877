import type { ReadOnly } from '../../read-only.ts';
import type { NodeRecord } from '../../slices/node/record.ts';

/** A node that has room for the shape, as it was at a revision; the next change makes another entry. */
export interface Entry {
  readonly node: ReadOnly<NodeRecord>;
  readonly revision: number;
  /** It has room and may take the shape; before, it is only likely. */
  isChecked: boolean;
  /** nano-CAPA an hour: its price, for as often as the task has to be tried there, and once weighed what the placement makes unusable. */
  score: number;
  /** Of the node, as it was: the steadier goes first where scores are equal. */
  readonly tries: number;
  /** The lower goes first where these are equal, too. */
  readonly tie: number;
  /** Of the mix, when it was weighed; 0 before. */
  generation: number;
}

export type Standing = Pick<Entry, 'node' | 'score' | 'tries' | 'tie'>;

export function comesBefore(a: Standing, b: Standing): boolean {
  if (a.score !== b.score) return a.score < b.score;
  if (a.tries !== b.tries) return a.tries < b.tries;
  return a.tie < b.tie || (a.tie === b.tie && a.node.id < b.node.id);
}
