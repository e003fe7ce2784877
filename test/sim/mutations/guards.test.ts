import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withoutGuard } from './guard.ts';
import { guards } from './guards.ts';

const root = join(import.meta.dirname, '..', '..', '..');

it.each(guards)('finds the guard: $name', (guard) => {
  expect(withoutGuard(readFileSync(join(root, guard.file), 'utf8'), guard)).toBeDefined();
});

it('has a name for each guard', () => {
  expect(new Set(guards.map(({ name }) => name)).size).toBe(guards.length);
});

it('refuses a list that has become stale', () => {
  const guard = { name: 'a', why: 'b', file: 'c', find: 'x', replace: 'y' };
  expect(withoutGuard('no guard', guard)).toBeUndefined();
  expect(withoutGuard('x and x', guard)).toBeUndefined();
  expect(withoutGuard('one x', guard)).toBe('one y');
  expect(withoutGuard('one x', { ...guard, replace: 'x' })).toBeUndefined();
});
