import { expect, test } from 'vitest';
import { noInput, pullTimeout } from './step-failures.ts';

test('a registry that delivers too slowly is not the fault of the node', () => {
  expect(pullTimeout(1000, 'registry').reason).toBe('registry_failed');
  expect(pullTimeout(1000, 'engine').reason).toBe('pull_timeout');
  expect(pullTimeout(1000, undefined).reason).toBe('pull_timeout');
});

test('what the network says of an input is for the owner alone', () => {
  const { detail, message } = noInput(new Error('connect ECONNREFUSED 10.0.0.1:3128'));
  expect(message).not.toContain('10.0.0.1');
  expect(detail).toContain('10.0.0.1');
});
