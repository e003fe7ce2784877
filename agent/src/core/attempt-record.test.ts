import type { TaskId } from '@capacloud/protocol/ids';
import type { Assignment } from '@capacloud/protocol/wire/frames';
import { describe, expect, test } from 'vitest';
import {
  type AttemptPhase,
  advance,
  attemptPhases,
  isStoppable,
  mayAdvance,
  newAttempt,
  requestStop,
} from './attempt-record.ts';

const assignment = { task: `job_${'a'.repeat(20)}.0` as TaskId, attempt: 1 } as Assignment;
const outcome = { reason: 'completed' } as const;
const working: readonly AttemptPhase[] = [
  'pulling',
  'fetching',
  'preparing',
  'starting',
  'running',
  'collecting',
  'uploading',
];
const legal = new Set([
  ...working.slice(0, -1).map((from, index) => `${from}>${working[index + 1]}`),
  ...working.map((from) => `${from}>reporting`),
  'reporting>cleaning',
  'cleaning>settled',
]);

describe('the attempt state machine', () => {
  test.each(attemptPhases.flatMap((from) => attemptPhases.map((to) => [from, to] as const)))(
    '%s to %s',
    (from, to) => {
      const record = { ...newAttempt(assignment, 0), phase: from, outcome, stop: 'dropped' as const };
      expect(mayAdvance(from, to)).toBe(legal.has(`${from}>${to}`));
      if (legal.has(`${from}>${to}`)) expect(advance(record, to).phase).toBe(to);
      else expect(() => advance(record, to)).toThrow(`from ${from} to ${to}`);
    },
  );

  test('nothing is reported without an outcome', () => {
    expect(() => advance(newAttempt(assignment, 0), 'reporting')).toThrow('outcome');
    expect(advance(newAttempt(assignment, 0), 'reporting', { outcome }).outcome).toEqual(outcome);
  });

  test('the first cause of a stop stands, and what is reported is not stopped', () => {
    const record = requestStop(newAttempt(assignment, 0), 'run_timeout');
    expect(requestStop(record, 'stopped').stop).toBe('run_timeout');
    expect(isStoppable({ ...newAttempt(assignment, 0), phase: 'reporting' })).toBe(false);
    expect(requestStop({ ...newAttempt(assignment, 0), phase: 'settled' }, 'stopped').stop).toBeUndefined();
  });
});
