import { expect, it } from 'vitest';
import { nearest } from './nearest.ts';

const known = ['listen', 'data_dir', 'log_level'];

it.each([
  ['listne', 'listen'],
  ['datadir', 'data_dir'],
  ['loglevel', 'log_level'],
  ['colour', undefined],
  ['', undefined],
  ['x'.repeat(10_000), undefined],
])('takes %s for %s', (word, meant) => {
  expect(nearest(word, known)).toBe(meant);
});
