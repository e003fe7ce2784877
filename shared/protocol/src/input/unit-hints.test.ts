import { expect, test } from 'vitest';
import { parseDuration, parseSize } from '../units.ts';
import { adviseDuration, advisePercent, adviseSize } from './unit-hints.ts';

test.each([
  ['16', 'has no unit: 16 is 16 bytes; write 16Gi'],
  ['0.5', 'has no unit: 0.5 is 0.5 bytes; write 0.5Gi'],
  ['17179869184', 'has no unit; write 16Gi'],
  ['17179869185', 'has no unit; write 17179869185B'],
  ['16g', 'write 16Gi'],
  ['16 GB', 'write 16Gi'],
  ['16gib', 'write 16Gi'],
  ['512mb', 'write 512Mi'],
  ['16Gi', undefined],
  ['much', undefined],
])('a size of %s: %s', (text, advice) => {
  expect(adviseSize(text)).toBe(advice);
  const written = advice?.split('write ')[1];
  if (written !== undefined) expect(parseSize(written)).toBeGreaterThan(0);
});

test.each([
  ['10', 'has no unit; write 10s or 10m'],
  ['1.5', 'has no unit'],
  ['1.5h', 'write 90m'],
  ['90 min', 'write 90m'],
  ['2 hours', 'write 2h'],
  ['5000ms', 'write 5s'],
  ['1ms', undefined],
  ['10m', undefined],
  ['soon', undefined],
])('a duration of %s: %s', (text, advice) => {
  expect(adviseDuration(text)).toBe(advice);
  const written = advice?.split('write ')[1]?.split(' or ')[0];
  if (written !== undefined) expect(parseDuration(written)).toBeGreaterThan(0);
});

test.each([
  ['40', 'has no unit; write 40%'],
  ['0.4', 'has no unit; write 40%'],
  ['400', undefined],
  ['40%', undefined],
])('a share of %s: %s', (text, advice) => expect(advisePercent(text)).toBe(advice));
