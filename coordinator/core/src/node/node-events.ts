import type { NodeId } from '@capacloud/protocol/ids';
import type { Offer } from '@capacloud/protocol/resources';
import { invariant, mustGet } from '../assert.ts';
import { withoutDoubles } from '../doubled.ts';
import type { NodeJoined, NodeOffered, NodeStatusChanged } from '../event.ts';
import { noteFaults } from '../job/poison.ts';
import { noDeviceRoom } from '../scheduler/fit/device-room.ts';
import type { NodeRecord, State } from '../state.ts';
import { changeOwner, isOpen, recount, refreshOpen } from './capacity.ts';
import { directiveOf } from './node-commands.ts';
import { canChange } from './node-states.ts';
import { noteSilence } from './standing.ts';

/** Between node.joined and the node.offered that follows it. */
const emptyOffer: Offer = {
  allowRoot: false,
  arch: 'none',
  ask: { cpuHourNano: '0', deviceHourNano: '0', diskGibHourNano: '0', memoryGibHourNano: '0' },
  cpuMilli: 0,
  devices: [],
  diskBytes: 0,
  memoryBytes: 0,
  slots: 1,
};

export function newNode(id: NodeId, provider: NodeRecord['provider'], at: number): NodeRecord {
  return {
    id,
    provider,
    status: 'joining',
    statusSince: at,
    cause: 'connected',
    directive: 'none',
    offer: emptyOffer,
    accepting: false,
    heardAt: at,
    occupied: new Map(),
    standing: { endings: 0, lastGood: 0, failures: [], silences: [], held: [], restUntil: 0 },
    isResting: false,
    tries: 1,
    freeSlots: 0,
    freeCpuMilli: 0,
    freeMemoryBytes: 0,
    freeDiskBytes: 0,
    deviceUse: new Map(),
    load: 1,
    askClass: undefined,
    keptFor: undefined,
    revision: 0,
    deviceRoom: noDeviceRoom,
    row: -1,
    dueAt: 0,
    bucket: undefined,
    clockPrev: undefined,
    clockNext: undefined,
  };
}

export function applyJoined(state: State, event: NodeJoined): void {
  invariant(!state.nodes.has(event.node), `${event.node} joined twice`);
  const node = newNode(event.node, event.provider, event.at);
  state.nodes.set(node.id, node);
  recount(state, node);
}

export function applyOffered(state: State, event: NodeOffered): void {
  const node = mustGet(state.nodes, event.node, 'node');
  invariant(state.accounts.has(event.provider), `${event.node}: no account ${event.provider}`);
  noteFaults(state, node, event);
  changeOwner(state, node, event.provider);
  node.offer = withoutDoubles(event.offer);
  node.accepting = event.accepting;
  node.heardAt = event.at;
  recount(state, node);
}

export function applyStatus(state: State, event: NodeStatusChanged): void {
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
  if (isOpen(node)) state.schedule.changed = true;
}
