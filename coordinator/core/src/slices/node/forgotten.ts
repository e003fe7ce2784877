import { invariant, mustGet } from '../../assert.ts';
import type { Event, NodeForgotten } from '../../contract/event.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import { leaveAskClass } from './asks.ts';
import type { NodeRecord } from './record.ts';
import { emptyOffer, newStanding } from './record.ts';

/** In one tick. */
const maxForgottenPerTick = 256;
/** Newcomers come in crowds: so many are made room for at once, because each search looks at all that are unproven. */
const replacedAtOnce = 64;

/** Lost or told to go. Such a node holds nothing. */
function isAway({ status }: ReadOnly<NodeRecord>): boolean {
  return status === 'lost' || status === 'gone';
}

/** Nothing of it would be missed but what is known of it. What the operator wished of a node outlives its absence. */
function isIdle({ directive, occupied, status }: ReadOnly<NodeRecord>): boolean {
  return (
    (status === 'lost' || status === 'gone' || status === 'unknown') &&
    occupied.size === 0 &&
    directive === 'none'
  );
}

/** The longest away first. */
function byAbsence(a: ReadOnly<NodeRecord>, b: ReadOnly<NodeRecord>): number {
  return a.statusSince - b.statusSince || (a.id < b.id ? -1 : 1);
}

/** Nodes that were lost before anything was paid for their work, and those lost the longest of more than are kept. */
export function forgetAway({ nodes, ruleset }: ReadOnly<State>, at: number): readonly NodeForgotten[] {
  const { maxAwayNodes = Number.POSITIVE_INFINITY, maxUnprovenNodes } = ruleset;
  const events: NodeForgotten[] = [];
  const kept: ReadOnly<NodeRecord>[] = [];
  for (const node of nodes.values()) {
    if (!isAway(node) || !isIdle(node)) continue;
    if (node.isProven || maxUnprovenNodes === undefined) kept.push(node);
    else if (events.length < maxForgottenPerTick)
      events.push({ at, cause: 'unproven', node: node.id, type: 'node.forgotten' });
  }
  const surplus = Math.min(kept.length - maxAwayNodes, maxForgottenPerTick - events.length);
  if (surplus <= 0) return events;
  for (const { id } of kept.sort(byAbsence).slice(0, surplus))
    events.push({ at, cause: 'away', node: id, type: 'node.forgotten' });
  return events;
}

/** What makes room for one more node that is not proven; undefined where there is none to be had. */
export function roomForNewcomer(
  { ruleset, unproven }: ReadOnly<State>,
  at: number,
): readonly NodeForgotten[] | undefined {
  const surplus = unproven.size + 1 - (ruleset.maxUnprovenNodes ?? Number.POSITIVE_INFINITY);
  if (surplus <= 0) return [];
  const idle = [...unproven].filter(isIdle);
  if (idle.length < surplus) return undefined;
  return idle
    .sort(byAbsence)
    .slice(0, Math.max(surplus, replacedAtOnce))
    .map(({ id }) => ({ at, cause: 'replaced', node: id, type: 'node.forgotten' }));
}

export function applyForgotten(state: State, event: NodeForgotten): void {
  const node = mustGet(state.nodes, event.node, 'node');
  invariant(isIdle(node), `${node.id} is ${node.status} and cannot be forgotten`);
  state.nodes.delete(node.id);
  state.unproven.delete(node);
  state.openNodes.delete(node);
  state.nodeClocks.remove(node);
  leaveAskClass(state, node);
  state.feed.forgetNode(node);
  // Notes of the scheduler may know the record for some time: it must not keep what it offered.
  state.offers.give(node.offer);
  node.offer = emptyOffer;
  Object.assign(node.standing, newStanding());
}

/** A consumer paid for a task that ran there. */
export function noteProof({ ruleset, unproven }: State, node: NodeRecord, event: Event): void {
  if (ruleset.maxUnprovenNodes === undefined || node.isProven || event.type !== 'attempt.ended') return;
  if (event.then.kind !== 'succeeded' || event.then.payNano === '0') return;
  node.isProven = true;
  unproven.delete(node);
}

/** The rules begin to ask: what succeeded before is as good, as far as it is known. */
export function proveByStanding({ nodes, unproven }: State): void {
  for (const node of nodes.values()) {
    if (node.standing.lastGood === 0) continue;
    node.isProven = true;
    unproven.delete(node);
  }
}
