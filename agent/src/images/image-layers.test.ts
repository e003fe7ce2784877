import { expect, test } from 'vitest';
import { bytesOf, chainsOf, sizedLayers } from './image-layers.ts';

test('a layer is told by all that is below it, as engines do', () => {
  const [first, second] = chainsOf([`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`]);
  expect(first).toBe(`sha256:${'a'.repeat(64)}`);
  expect(second).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(chainsOf([`sha256:${'b'.repeat(64)}`])[0]).not.toBe(second);
});

test('sizes come from the history where it fits the layers, and count all the same where it does not', () => {
  expect(sizedLayers(['a', 'b'], [5, 0, 7], 12)).toEqual([
    { chain: 'a', bytes: 5 },
    { chain: 'b', bytes: 7 },
  ]);
  for (const steps of [[], [5], [1, 2, 3]])
    expect(sizedLayers(['a', 'b'], steps, 12)).toEqual([
      { chain: 'a', bytes: 0 },
      { chain: 'b', bytes: 12 },
    ]);
});

test('what images share counts once', () => {
  const base = { chain: 'base', bytes: 10 };
  expect(
    bytesOf([{ layers: [base, { chain: 'a', bytes: 1 }] }, { layers: [base, { chain: 'b', bytes: 2 }] }, {}]),
  ).toBe(13);
});
