import type { Assignment } from '@capacloud/protocol/wire/frames';
import { expect, test } from 'vitest';
import { artifactsOf, contentsOf, filledFoldersOf, planAttempt, textsOf } from './of-assignment.ts';

const checkpoint = { path: '/ckpt/', maxBytes: 1, timeoutMs: 1 };
const assignment = {
  task: 'job_aaaaaaaaaaaaaaaaaaaa.0',
  attempt: 3,
  env: { NAME: 'value' },
  inputs: [
    { target: '/in/a/x', sha256: 'i' },
    { target: '/in/y', sha256: 'j' },
  ],
  outputs: [{ path: '/out/sub/x.txt' }, { path: '/out' }, { path: '/outer/' }],
  resources: { diskBytes: 900_000 },
} as unknown as Assignment;
const resumed = {
  ...assignment,
  checkpoint: { ...checkpoint, saved: { sha256: 'c', sizeBytes: 1 } },
} as Assignment;

test('nested folders share a volume, and the scratch of outputs comes first', () => {
  const plan = planAttempt({ ...assignment, checkpoint });
  expect(plan.inputs.map(({ folder }) => folder)).toEqual(['/in']);
  expect(plan.scratch.map(({ folder }) => folder)).toEqual(['/out', '/outer', '/ckpt']);
});

test('each feature answers for its own part of the assignment', () => {
  expect(textsOf(resumed)).toEqual('/in/a/x /in/y /out/sub/x.txt /out /outer/ /ckpt/ NAME value'.split(' '));
  expect(artifactsOf(resumed)).toEqual(['i', 'j', 'c']);
  expect(filledFoldersOf(resumed)).toEqual(['/ckpt']);
  expect(filledFoldersOf({ ...assignment, checkpoint })).toEqual([]);
  expect(contentsOf(resumed)).not.toBe(contentsOf({ ...assignment, checkpoint }));
});
