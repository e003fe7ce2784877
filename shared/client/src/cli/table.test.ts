import { expect, test } from 'vitest';
import { jobId } from '../testing/views.ts';
import { writeFields, writeTable } from './table.ts';
import { type Output, widthOf, wrap } from './terminal.ts';

function lines(columns: number, write: (output: Output) => void): readonly string[] {
  let text = '';
  write({
    isTty: true,
    columns,
    paint: (tone, painted) => (tone === 'dim' ? painted : `\u001b[1m${painted}\u001b[22m`),
    write: (part) => (text += part),
    settle: () => Promise.resolve(),
  });
  return text.trimEnd().split('\n');
}

const jobs = (output: Output) =>
  writeTable(
    output,
    [
      { title: 'JOB', isId: true },
      { title: 'NAME', shrinks: true },
      { title: 'IMAGE', shrinks: true, isOptional: true },
    ],
    [[jobId, 'render-the-scene', 'capacloud/render:1']],
  );

test.each([
  [
    Number.POSITIVE_INFINITY,
    [`JOB                       NAME              IMAGE`, `${jobId}  render-the-scene  capacloud/render:1`],
  ],
  [
    56,
    [
      'JOB                 NAME              IMAGE',
      'job_abcdefghijklmn  render-the-scene  capacloud/render:1',
    ],
  ],
  [40, ['JOB           NAME', 'job_abcdefgh  render-the-scene']],
  [24, ['JOB           NAME', 'job_abcdefgh  render-th…']],
])('in %d columns ids are cut first, then what is optional goes, then texts are cut', (columns, expected) => {
  expect(lines(columns, jobs)).toEqual(expected);
});

test('a long value goes on below itself', () => {
  const shown = lines(30, (output) =>
    writeFields(output, [
      ['why', 'No node of the network would run such a task.'],
      ['state', 'queued'],
    ]),
  );
  expect(shown).toEqual(['why    No node of the network', '       would run such a task.', 'state  queued']);
});

test('wrapping keeps indentation, counts no colours, and leaves alone what fits', () => {
  expect(wrap('  one two three', 9)).toEqual(['  one two', '  three']);
  expect(wrap('a  b', 80)).toEqual(['a  b']);
  const painted = `\u001b[31merror:\u001b[39m ${'word '.repeat(9)}`;
  expect(Math.max(...wrap(painted, 20).map(widthOf))).toBeLessThanOrEqual(20);
});
