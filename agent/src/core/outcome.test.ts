import { expect, test } from 'vitest';
import type { Ending, StopCause } from './attempt-record.ts';
import { type CollectionEvidence, judgeEnding } from './outcome.ts';
import { say } from './sentence.ts';

const ended: Ending = { exitCode: 0, oomKilled: false, engineLost: false, pidsExhausted: false };
const collected: CollectionEvidence = { ok: true, scratchFull: false };
const full: CollectionEvidence = { ok: true, scratchFull: true };
const missing: CollectionEvidence = {
  ok: false,
  failure: { reason: 'output_missing', message: say`/out/a is missing` },
};
const missingFull: CollectionEvidence = {
  ok: false,
  failure: { reason: 'output_missing', message: say`/out/a is missing`, scratchFull: true },
};

// RESULT-1
test.each<[string, Partial<Ending>, StopCause | undefined, CollectionEvidence | undefined, string]>([
  ['a clean exit with its outputs', {}, undefined, collected, 'completed'],
  ['a clean exit that used all its scratch', {}, undefined, full, 'completed'],
  ['a failure', { exitCode: 3 }, undefined, collected, 'exit_nonzero'],
  ['a failure, whatever became of the outputs', { exitCode: 3 }, undefined, missing, 'exit_nonzero'],
  ['a clean exit without an output', {}, undefined, missing, 'output_missing'],
  ['a clean exit without an output on a full disk', {}, undefined, missingFull, 'disk_full'],
  ['a failure on a full disk', { exitCode: 1 }, undefined, full, 'disk_full'],
  [
    'a failure at the process limit',
    { exitCode: 1, pidsExhausted: true },
    undefined,
    collected,
    'pids_exhausted',
  ],
  ['success in spite of the process limit', { pidsExhausted: true }, undefined, collected, 'completed'],
  ['a memory kill', { exitCode: 137, oomKilled: true }, undefined, collected, 'oom_killed'],
  ['a memory kill of a child, exit 0', { oomKilled: true }, undefined, collected, 'oom_killed'],
  [
    'a memory kill on a full disk (scratch in memory)',
    { exitCode: 137, oomKilled: true },
    undefined,
    full,
    'oom_killed',
  ],
  ['an engine that went away, exit 0', { engineLost: true }, undefined, undefined, 'engine_lost'],
  [
    'an engine that went away, exit 137',
    { engineLost: true, exitCode: 137, oomKilled: true },
    undefined,
    undefined,
    'engine_lost',
  ],
  ['a stop that the program answered with 0', {}, 'stopped', undefined, 'stopped'],
  ['a stop by kill', { exitCode: 137 }, 'stopped', undefined, 'stopped'],
  ['a run timeout', { exitCode: 143 }, 'run_timeout', undefined, 'run_timeout'],
  [
    'a lapsed lease, even if the engine went too',
    { engineLost: true },
    'lease_lapsed',
    undefined,
    'lease_lapsed',
  ],
  [
    'no exit code at all',
    { exitCode: undefined } as unknown as Partial<Ending>,
    undefined,
    collected,
    'exit_nonzero',
  ],
])('%s', (_, ending, stop, collection, reason) => {
  expect(judgeEnding({ ...ended, ...ending }, stop, collection).reason).toBe(reason);
});

test.each<[string, Partial<Ending>, Parameters<typeof judgeEnding>[2], RegExp]>([
  [
    'memory',
    { oomKilled: true },
    collected,
    /^The memory of the task was full.* The container exited with 0\.$/,
  ],
  ['disk', { exitCode: 1 }, full, /^The disk of the task was full\. /],
  ['processes', { exitCode: 1, pidsExhausted: true }, collected, /^The task had as many processes/],
])('the message says what ran out: %s', (_, ending, collection, message) => {
  expect(judgeEnding({ ...ended, ...ending }, undefined, collection).message).toMatch(message);
});

test('the message names the exit code and the signal', () => {
  expect(judgeEnding({ ...ended, exitCode: 139 }, undefined, collected).message).toBe(
    'The container exited with 139 (signal 11).',
  );
  expect(judgeEnding({ ...ended, exitCode: 2 }, undefined, collected).message).toBe(
    'The container exited with 2.',
  );
});
