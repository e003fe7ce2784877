import { expect, test } from 'vitest';
import { runChecks, stepsFromArguments } from './check-run.ts';
import { stepNames } from './check-steps.ts';

test('without arguments every step runs on everything', () => {
  expect(stepsFromArguments([])).toEqual({ names: stepNames, paths: [] });
});

test('--only takes a list, in any order and form, and keeps the steps in theirs', () => {
  expect(stepsFromArguments(['--only', 'unit,lint', 'agent'])).toEqual({
    names: ['lint', 'unit'],
    paths: ['agent'],
  });
  expect(stepsFromArguments(['agent', '--only=unit', '--only=lint'])).toEqual({
    names: ['lint', 'unit'],
    paths: ['agent'],
  });
});

test.each([
  [['--only', 'lint,spelling'], 'unknown step "spelling"'],
  [['--only'], 'unknown step ""'],
  [['--fast'], 'unknown option --fast'],
])('%j is refused', (args, problem) => {
  expect(stepsFromArguments(args)).toMatchObject({ problem, hint: expect.stringContaining('lint') });
});

test('a failing step is told with its output, and its name comes back', async () => {
  let written = '';
  const failed = await runChecks(
    ['format'],
    { paths: ['no/such/file.ts', '--no-such-option'], filters: [], reportDir: '.cache/reports' },
    { root: '.', write: (text) => (written += text), signal: new AbortController().signal },
  );
  expect(failed).toEqual(['format']);
  expect(written).toMatch(/^FAILED format +\d+\.\d s\n/);
  expect(written).toContain('--no-such-option');
});

test('nothing runs once interrupted', async () => {
  let written = '';
  const options = { paths: [], filters: [], reportDir: '.cache/reports' };
  const surroundings = { root: '.', write: (text: string) => (written += text), signal: AbortSignal.abort() };
  expect(await runChecks(stepNames, options, surroundings)).toEqual([]);
  expect(written).toBe('');
});
