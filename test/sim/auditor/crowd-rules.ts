import type { NodeForgotten, Ruleset } from './entry.ts';
import type { NodeBook, NodeFacts } from './node-book.ts';
import { check } from './observation.ts';

/** Nodes leave the books when they are lost before anything was paid, when newcomers need the room, or when too many are away. */
export function checkForgotten(
  { node: id, cause }: NodeForgotten,
  nodes: NodeBook,
  rules: Ruleset,
): NodeFacts {
  const node = nodes.get(id);
  const { holds, isPaid, isWished, status } = node;
  const what = `${id} (${status}) is forgotten as ${cause}`;
  const isAway = status === 'lost' || status === 'gone';
  check(nodes.all.has(id), 'node.forgotten', () => `${what} once more`);
  check(
    isAway || (cause === 'replaced' && status === 'unknown'),
    'node.forgotten',
    () => `${what} and may be there`,
  );
  check(holds.size === 0, 'node.occupied', () => `${what} and holds attempts`);
  check(!isWished, 'node.forgotten', () => `${what}, and with it what the operator wishes`);
  check(
    isPaid === (cause === 'away'),
    'node.forgotten',
    () => `${what}, and ${isPaid ? 'was' : 'never was'} paid`,
  );
  if (cause === 'away') {
    const away = [...nodes.all.values()].filter((each) => each.isPaid && isOut(each)).length;
    check(away > (rules.maxAwayNodes ?? 0), 'node.forgotten', () => `${what}, one of ${away}`);
  }
  return node;
}

/** After a node has joined. */
export function checkCrowd(nodes: NodeBook, { maxUnprovenNodes }: Ruleset): void {
  if (maxUnprovenNodes === undefined) return;
  const unpaid = [...nodes.all.values()].filter(({ isPaid }) => !isPaid).length;
  check(unpaid <= maxUnprovenNodes, 'node.kept', () => `${unpaid} nodes were never paid`);
}

export function isOut({ status }: NodeFacts): boolean {
  return status === 'lost' || status === 'gone';
}

/** Nothing is left of it that anybody would miss. */
export function isSpent(node: NodeFacts, { maxUnprovenNodes }: Ruleset): boolean {
  return maxUnprovenNodes !== undefined && isOut(node) && !node.isPaid && !node.isWished;
}
