import { parseJobFile } from '@capacloud/protocol/job/job-spec';
import { expect, test } from 'vitest';
import { outputLimitProblems } from './output-limits.ts';

const limits = { maxArtifactBytes: 2 ** 20, accountBytes: 2 ** 22 };
const problemsOf = (...outputs: readonly { path: string; max_size?: string }[]) => {
  const file = { version: '1', image: 'busybox', outputs };
  const parsed = parseJobFile(file);
  if (!parsed.ok) throw new Error(parsed.refusal.message);
  return outputLimitProblems(limits, file, parsed.value);
};

test('what may become larger than can ever be stored is told before anything runs', () => {
  const outputs = [
    { path: '/a/model.bin', max_size: '1Mi' },
    { path: '/b/model.bin', max_size: '2Mi' },
    { path: '/c', max_size: '4Mi' },
    { path: '/d', max_size: '5Mi' },
    // The scratch bounds it, and nobody said that it would be so large.
    { path: '/e/model.bin' },
  ];
  expect(problemsOf(...outputs)).toEqual([
    {
      pointer: '/outputs/1/max_size',
      message: 'is more than the 1Mi that this coordinator stores of one file: lower it, or write less',
    },
    {
      pointer: '/outputs/3/max_size',
      message: 'is more than the 4Mi that this coordinator stores for one account: lower it, or write less',
    },
  ]);
});
