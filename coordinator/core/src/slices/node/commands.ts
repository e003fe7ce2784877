import { canonicalJson } from '@capacloud/protocol/log/canonical';
import type { Result } from '@capacloud/protocol/result';
import { accept, refuse } from '@capacloud/protocol/result';
import { offerFault, offerHint } from '@capacloud/protocol/wire/offer-size';
import { mustGet } from '../../assert.ts';
import type { ChangeOffer, ConnectNode, DirectNode } from '../../contract/command.ts';
import type { Event, NodeOffered, NodeStatus } from '../../contract/event.ts';
import { Decision } from '../../decision.ts';
import type { ReadOnly } from '../../read-only.ts';
import type { State } from '../../state.ts';
import { afterFailure } from '../attempt/retry.ts';
import { isActive } from '../attempt/task-states.ts';
import { poisonedBy } from '../job/poison.ts';
import { roomForNewcomer } from './forgotten.ts';
import { isConnected } from './node-states.ts';
import type { NodeRecord } from './record.ts';

type Directive = ReadOnly<NodeRecord>['directive'];

/** Where a connected node belongs, by the wishes of the operator and of its owner. */
export function restingStatus(directive: Directive, accepting: boolean): NodeStatus {
  if (directive === 'drain') return 'draining';
  // guard: take no work from a pausing owner
  return directive === 'cordon' || !accepting ? 'cordoned' : 'ready';
}

function decideConnect(state: ReadOnly<State>, command: ConnectNode): Result<readonly Event[]> {
  const { accepting, at, node: id, provider } = command;
  const node = state.nodes.get(id);
  const fault = offerFault(command.offer);
  if (fault !== undefined) return refuse('frame.too_large', fault, { hint: offerHint });
  const decision = new Decision(state, at);
  const { events } = decision;
  if (node === undefined) {
    const forgotten = roomForNewcomer(state, at);
    if (forgotten === undefined) return tooManyUnproven(state);
    events.push(...forgotten);
    events.push({ at, node: id, provider, type: 'node.joined' }, offered(command, provider));
    const to = restingStatus('none', accepting);
    events.push({ at, cause: 'connected', node: id, to, type: 'node.status_changed' });
    return accept(events);
  }
  if (differs(node, command.offer, accepting) || node.provider !== provider)
    events.push(...offeredBy(state, node, offered(command, provider)));
  // guard: give up what a returning node does not hold
  reconcileHeld(state, decision, node, command);
  // `gone` forgets the drain that led there: a node that comes back is wanted.
  const to = restingStatus(node.status === 'gone' ? 'none' : node.directive, accepting);
  if (to !== node.status) {
    const cause = isConnected(node.status) ? ownerCause(accepting) : 'connected';
    events.push({ at, cause, node: id, to, type: 'node.status_changed' });
    if (to === 'draining' && decision.occupiedOf(node) === 0) {
      events.push({ at, cause: 'drained', node: id, to: 'gone', type: 'node.status_changed' });
    }
  }
  return accept(decision.close());
}

function tooManyUnproven({ ruleset, unproven }: ReadOnly<State>): Result<never> {
  return refuse(
    'service.overloaded',
    `The coordinator has ${unproven.size} nodes for whose work nothing was paid yet, and takes no further one.`,
    {
      hint: `Connect again later. Its operator sets the bound: rules.max_unproven_nodes (${ruleset.maxUnprovenNodes}).`,
    },
  );
}

/** Ends or releases what occupies the node in our books and the agent no longer holds. */
function reconcileHeld(
  state: ReadOnly<State>,
  decision: Decision,
  node: ReadOnly<NodeRecord>,
  { held, saidAt = Number.POSITIVE_INFINITY }: ConnectNode,
): void {
  const holds = new Map(held.map(({ task, attempt }) => [`${task}#${attempt}`, true]));
  for (const { attempt, job: jobId, task: taskId } of node.occupied.values()) {
    // guard: keep what a returning node holds
    if (holds.has(`${taskId}#${attempt}`)) continue;
    const job = mustGet(state.jobs, jobId, 'job');
    const task = mustGet(state.tasks, taskId, 'task');
    // Its older session may have brought it since, and have told how far it is.
    if (task.attempt === attempt && task.assignedAt >= saidAt) continue;
    if (task.attempt !== attempt || !isActive(task.state) || decision.hasEnded(taskId)) {
      decision.releaseAttempt(job, taskId, attempt, node);
      // guard: keep an assignment that the node has not heard of
    } else if (task.state !== 'assigned') {
      const then = afterFailure(job, task, 'agent_failed', undefined, decision.at);
      decision.endAttempt(job, task, { reason: 'agent_failed', released: true, then });
    }
    // Still `assigned`: the agent may never have heard of it, and it is sent again.
  }
}

function decideOffer(state: ReadOnly<State>, command: ChangeOffer): Result<readonly Event[]> {
  const { accepting, at, node: id } = command;
  const node = state.nodes.get(id);
  if (node === undefined) return refuse('node.unknown', `There is no node ${id}.`);
  const fault = offerFault(command.offer);
  if (fault !== undefined) return refuse('frame.too_large', fault, { hint: offerHint });
  const events: Event[] = [];
  if (differs(node, command.offer, accepting))
    events.push(...offeredBy(state, node, offered(command, node.provider)));
  const to = restingStatus(node.directive, accepting);
  if (isConnected(node.status) && to !== node.status) {
    events.push({ at, cause: ownerCause(accepting), node: id, to, type: 'node.status_changed' });
  }
  return accept(events);
}

/** The operator's wish is kept while the node is silent, and rules when it returns. A drain is final. */
function decideDirect(
  state: ReadOnly<State>,
  { at, node: id, to: wish }: DirectNode,
): Result<readonly Event[]> {
  const node = state.nodes.get(id);
  if (node === undefined) return refuse('node.unknown', `There is no node ${id}.`);
  const directive: Directive = wish === 'uncordon' ? 'none' : wish;
  if (node.status === 'gone' || (node.directive === 'drain' && directive !== 'drain')) {
    return refuse('node.state_invalid', `Node ${id} is ${node.status} and cannot be told to ${wish}.`);
  }
  if (node.directive === directive) return accept([]);
  if (node.status === 'lost' && directive === 'drain') {
    return accept([{ at, cause: 'removed', node: id, to: 'gone', type: 'node.status_changed' }]);
  }
  const to = isConnected(node.status) ? restingStatus(directive, node.accepting) : node.status;
  const cause = directiveCauses[directive];
  const events: Event[] = [{ at, cause, node: id, to, type: 'node.status_changed' }];
  if (to === 'draining' && node.occupied.size === 0) {
    events.push({ at, cause: 'drained', node: id, to: 'gone', type: 'node.status_changed' });
  }
  return accept(events);
}

const directiveCauses: Readonly<Record<Directive, string>> = {
  none: 'operator_uncordoned',
  cordon: 'operator_cordoned',
  drain: 'operator_drained',
};

/** The wish that a status change records, where its cause is one. */
export function directiveOf(cause: string): Directive | undefined {
  switch (cause) {
    case 'operator_uncordoned':
      return 'none';
    case 'operator_cordoned':
      return 'cordon';
    case 'operator_drained':
      return 'drain';
    default:
      return undefined;
  }
}

function ownerCause(accepting: boolean): string {
  return accepting ? 'owner_resumed' : 'owner_paused';
}

function differs(
  node: ReadOnly<NodeRecord>,
  offer: ReadOnly<NodeRecord>['offer'],
  accepting: boolean,
): boolean {
  return node.accepting !== accepting || canonicalJson(node.offer) !== canonicalJson(offer);
}

/** The offer, and what it reveals. */
function offeredBy(state: ReadOnly<State>, node: ReadOnly<NodeRecord>, event: NodeOffered): readonly Event[] {
  return [event, ...poisonedBy(state, node, event)];
}

function offered(command: ConnectNode | ChangeOffer, provider: NodeOffered['provider']): NodeOffered {
  const { accepting, at, node, offer } = command;
  return { accepting, at, node, offer, provider, type: 'node.offered' };
}

export const nodeCommands = {
  'node.connect': decideConnect,
  'node.change_offer': decideOffer,
  'node.direct': decideDirect,
};
