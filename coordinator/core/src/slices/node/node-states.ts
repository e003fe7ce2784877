import type { NodeStatus } from '../../contract/event.ts';

/**
 * The one transition table of a node. A status may follow itself only where the operator's wish changes
 * without moving the node (cordoned while its owner pauses, or directed while silent).
 */
export const nodeTransitions: Readonly<Record<NodeStatus, readonly NodeStatus[]>> = {
  joining: ['ready', 'cordoned'],
  ready: ['cordoned', 'draining', 'unknown'],
  cordoned: ['cordoned', 'ready', 'draining', 'unknown'],
  draining: ['gone', 'unknown'],
  unknown: ['unknown', 'ready', 'cordoned', 'draining', 'lost'],
  lost: ['lost', 'ready', 'cordoned', 'draining', 'gone'],
  gone: ['ready', 'cordoned'],
};

export function canChange(from: NodeStatus, to: NodeStatus): boolean {
  return nodeTransitions[from].includes(to);
}

/** The node has, as far as we know, a session with us. */
export function isConnected(status: NodeStatus): boolean {
  return status === 'ready' || status === 'cordoned' || status === 'draining';
}
