import { expect, it } from 'vitest';
import type { NodeStatus } from '../../contract/event.ts';
import { canChange, isConnected, nodeTransitions } from './node-states.ts';

const statuses = Object.keys(nodeTransitions) as NodeStatus[];
const legal = new Set<string>([
  'joining>ready',
  'joining>cordoned',
  'ready>cordoned',
  'cordoned>ready',
  'cordoned>cordoned',
  'ready>draining',
  'cordoned>draining',
  'draining>gone',
  'ready>unknown',
  'cordoned>unknown',
  'draining>unknown',
  'unknown>unknown',
  'unknown>lost',
  'unknown>ready',
  'unknown>cordoned',
  'unknown>draining',
  'lost>lost',
  'lost>ready',
  'lost>cordoned',
  'lost>draining',
  'lost>gone',
  'gone>ready',
  'gone>cordoned',
]);

for (const from of statuses) {
  for (const to of statuses) {
    it(`${from} → ${to}: ${legal.has(`${from}>${to}`) ? 'legal' : 'illegal'}`, () => {
      expect(canChange(from, to)).toBe(legal.has(`${from}>${to}`));
    });
  }
}

it('counts as connected what may hold a session', () => {
  expect(statuses.filter(isConnected)).toEqual(['ready', 'cordoned', 'draining']);
});
