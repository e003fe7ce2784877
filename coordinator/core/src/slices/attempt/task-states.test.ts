import { expect, it } from 'vitest';
import { canMove, isActive, isTerminal, judgeStage, type TaskState, taskTransitions } from './task-states.ts';

const states = Object.keys(taskTransitions) as TaskState[];
const forward = [
  'assigned',
  'pulling',
  'starting',
  'running',
  'uploading',
  'verifying',
  'succeeded',
] as const;
const legal = new Set<string>([
  'queued>assigned',
  'queued>cancelled',
  'queued>expired',
  ...forward.slice(0, -1).flatMap((from) => [`${from}>queued`, `${from}>failed`, `${from}>cancelled`]),
  ...forward.flatMap((from, i) => forward.slice(i + 1).map((to) => `${from}>${to}`)),
]);

for (const from of states) {
  for (const to of states) {
    it(`${from} → ${to}: ${legal.has(`${from}>${to}`) ? 'legal' : 'illegal'}`, () => {
      expect(canMove(from, to)).toBe(legal.has(`${from}>${to}`));
    });
  }
}

it('has every step of the way in the table', () => {
  forward.slice(1).forEach((to, i) => {
    expect(taskTransitions[forward[i] ?? 'queued']).toContain(to);
  });
});

it('leaves no terminal state, and calls the states of an attempt active', () => {
  expect(states.filter(isTerminal)).toEqual(['succeeded', 'failed', 'cancelled', 'expired']);
  expect(states.filter(isActive)).toEqual([
    'assigned',
    'pulling',
    'starting',
    'running',
    'uploading',
    'verifying',
  ]);
});

it('judges each stage reported in each state', () => {
  const stages = ['pulling', 'starting', 'running', 'uploading'] as const;
  for (const state of states) {
    for (const stage of stages) {
      const expected =
        state === stage ? 'repeat' : isActive(state) && legal.has(`${state}>${stage}`) ? 'move' : 'illegal';
      expect(judgeStage(state, stage)).toBe(expected);
    }
  }
});
