import { invariant, mustGet } from '../../assert.ts';
import { withoutDoubles } from '../../contract/doubled.ts';
import type { NodeJoined, NodeOffered, NodeStatusChanged } from '../../contract/event.ts';
import type { State } from '../../state.ts';
import { noteFaults } from '../job/poison.ts';
import { changeOwner, isOpen, recount, refreshOpen } from './capacity.ts';
import { directiveOf } from './commands.ts';
import { applyForgotten } from './forgotten.ts';
import { canChange } from './node-states.ts';
import { changeOffer, newNode } from './record.ts';
import { noteSilence } from './standing.ts';

function applyJoined(state: State, event: NodeJoined): void {
  invariant(!state.nodes.has(event.node), `${event.node} joined twice`);
  const node = newNode(event.node, event.provider, event.at);
  state.nodes.set(node.id, node);
  state.unproven.add(node);
  node.isIsolated = state.isolated.has(node.id);
  recount(state, node);
}

function applyOffered(state: State, event: NodeOffered): void {
  const node = mustGet(state.nodes, event.node, 'node');
  noteFaults(state, node, event);
  changeOwner(state, node, event.provider);
  changeOffer(state.offers, node, withoutDoubles(event.offer));
  node.accepting = event.accepting;
  node.heardAt = event.at;
  recount(state, node);
}

function applyStatus(state: State, event: NodeStatusChanged): void {
  const node = mustGet(state.nodes, event.node, 'node');
  invariant(canChange(node.status, event.to), `${node.id}: ${node.status} cannot become ${event.to}`);
  const empty = event.to === 'gone' || event.to === 'lost';
  invariant(!empty || node.occupied.size === 0, `${node.id} is ${event.to} with attempts`);
  node.status = event.to;
  node.statusSince = event.at;
  node.cause = event.cause;
  node.directive = event.to === 'gone' ? 'none' : (directiveOf(event.cause) ?? node.directive);
  if (event.cause === 'connected' || event.cause.startsWith('owner_')) node.heardAt = event.at;
  if (event.cause === 'silent') noteSilence(state, node, event.at);
  refreshOpen(state, node);
  if (isOpen(node)) state.feed.arrivals += 1;
}

export const nodeEvents = {
  'node.joined': applyJoined,
  'node.offered': applyOffered,
  'node.status_changed': applyStatus,
  'node.forgotten': applyForgotten,
};
