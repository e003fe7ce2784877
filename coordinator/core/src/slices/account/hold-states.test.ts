import { expect, it } from 'vitest';
import { canSpend, type HoldState, holdTransitions } from './hold-states.ts';

const states = Object.keys(holdTransitions) as HoldState[];
for (const from of states) {
  for (const to of states) {
    const legal = from === 'held' && to !== 'held';
    it(`${from} → ${to}: ${legal ? 'legal' : 'illegal'}`, () => {
      expect(canSpend(from, to)).toBe(legal);
    });
  }
}
