import { expect, it } from 'vitest';
import { markedGuards, withoutGuard } from '../sim/mutations/guard.ts';
import { guards } from '../sim/mutations/guards.ts';
import { checkoutSources } from './checkout.ts';

const sources = [...checkoutSources()]
  .filter(([path]) => /^(agent|coordinator|shared)\//.test(path))
  .map(([, source]) => source);

it('has an entry for each guard that is marked, and one mark for each entry', () => {
  expect(sources.flatMap(markedGuards).sort()).toEqual(guards.map(({ name }) => name).sort());
});

it.each(guards)('takes away: $name', (guard) => {
  const source = sources.find((each) => markedGuards(each).includes(guard.name)) ?? '';
  expect(withoutGuard(source, guard)).toBeDefined();
});

it('takes away the line below the mark, or the part of it that the entry names', () => {
  const source = '  // guard: a\n  // guard: b\n  x and y;\n  x;\n';
  const taken = '  // guard: a\n  // guard: b\n';
  expect(withoutGuard(source, { name: 'a' })).toBe(`${taken}\n  x;\n`);
  expect(withoutGuard(source, { name: 'b', find: 'x and ' })).toBe(`${taken}  y;\n  x;\n`);
  expect(withoutGuard(source, { name: 'b', find: 'y', replace: 'z' })).toBe(`${taken}  x and z;\n  x;\n`);
});

it('refuses a mark that is missing or there twice, and an entry that has become stale', () => {
  const source = '// guard: a\nx and x and y;\n';
  expect(withoutGuard(source, { name: 'b' })).toBeUndefined();
  expect(withoutGuard(source + source, { name: 'a' })).toBeUndefined();
  expect(withoutGuard(source, { name: 'a', find: 'x' })).toBeUndefined();
  expect(withoutGuard(source, { name: 'a', find: 'z' })).toBeUndefined();
  expect(withoutGuard(source, { name: 'a', find: 'y', replace: 'y' })).toBeUndefined();
});
