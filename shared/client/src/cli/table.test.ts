import stringWidth from 'string-width';
import { expect, test } from 'vitest';
import { jobId } from '../testing/views.ts';
import { writeFields, writeTable } from './table.ts';
import { clip, type Output, wrap } from './terminal.ts';

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
  expect(Math.max(...wrap(painted, 20).map((line) => stringWidth(line)))).toBeLessThanOrEqual(20);
});

test('columns stay aligned beside wide characters, combining marks and emoji', () => {
  const names = ['渲染场景', 'cafe\u0301', '👩‍👩‍👧 family', 'plain'];
  const shown = lines(Number.POSITIVE_INFINITY, (output) =>
    writeTable(
      output,
      [{ title: 'NAME' }, { title: 'STATE' }],
      names.map((name) => [name, 'queued']),
    ),
  );
  expect(shown).toEqual([
    'NAME       STATE',
    '渲染场景   queued',
    'cafe\u0301       queued',
    '👩‍👩‍👧 family  queued',
    'plain      queued',
  ]);
});

test.each([
  ['渲染场景', 8, '渲染场景'],
  ['渲染场景', 7, '渲染场…'],
  ['渲染场景', 6, '渲染…'],
  ['cafe\u0301 noir', 5, 'cafe\u0301…'],
  ['👩‍👩‍👧👩‍👩‍👧', 3, '👩‍👩‍👧…'],
  ['👩‍👩‍👧👩‍👩‍👧', 2, '…'],
  ['\u001b[31m渲染场景\u001b[39m', 6, '\u001b[31m渲染…\u001b[39m'],
  ['plain', 0, ''],
])('%s in %d columns is cut between what a reader sees as characters', (text, columns, expected) => {
  expect(clip(text, columns)).toBe(expected);
});
