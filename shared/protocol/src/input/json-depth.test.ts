import { expect, test } from 'vitest';
import { nestsTooDeeply } from './json-depth.ts';

test('takes what is as deep as ours may be, and no deeper', () => {
  expect(nestsTooDeeply(`${'['.repeat(64)}${']'.repeat(64)}`)).toBe(false);
  expect(nestsTooDeeply(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`)).toBe(true);
  expect(nestsTooDeeply('['.repeat(1000))).toBe(true);
  expect(nestsTooDeeply('[],'.repeat(1000))).toBe(false);
});

test('does not count what stands in strings', () => {
  expect(nestsTooDeeply(JSON.stringify('['.repeat(1000)))).toBe(false);
  expect(nestsTooDeeply(JSON.stringify({ a: `"${'[{'.repeat(500)}\\` }))).toBe(false);
  expect(nestsTooDeeply(`"\\\\"${'['.repeat(65)}`)).toBe(true);
  expect(nestsTooDeeply(`"${'['.repeat(1000)}`)).toBe(false);
});
