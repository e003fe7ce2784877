import type { SkippedReason } from '@capacloud/protocol/wire/outputs';
import { expect, test } from 'vitest';
import { OutputTree } from './output-tree.ts';

function linksOf(links: Readonly<Record<string, string>>, roots = ['/out', '/data/x.bin']) {
  const files = new Set(['/out/a', '/out/sub/b', '/data/x.bin']);
  const tree = new OutputTree(roots, (path) => files.has(path));
  for (const folder of ['/out', '/out/sub']) tree.addFolder(folder);
  for (const [path, target] of Object.entries(links)) tree.addLink(path, target);
  const skipped: Record<string, SkippedReason> = {};
  const kept = tree.links((path, why) => {
    skipped[path] = why;
  });
  return { kept: Object.fromEntries(kept.map(({ path, target }) => [path, target])), skipped };
}

test.each([
  ['/out/l', 'a', 'a'],
  ['/out/l', './/sub/../a', 'a'],
  ['/out/sub/l', '../a', '../a'],
  ['/out/l', '/out/sub', 'sub'],
  ['/out/l', '/../out/sub/b', 'sub/b'],
  ['/out/l', '../data/x.bin', '../data/x.bin'],
  ['/out/l', '../../../../out/a', 'a'],
  ['/out/sub/l', '.', '.'],
])('the link %s to %s is kept as %s', (path, target, kept) => {
  expect(linksOf({ [path]: target })).toEqual({ kept: { [path]: kept }, skipped: {} });
});

test.each([
  ['/etc/passwd', 'link_outside'],
  ['..', 'link_outside'],
  ['/', 'link_outside'],
  ['/data', 'link_outside'],
  ['../data/y.bin', 'link_outside'],
  ['nothing', 'link_dangling'],
  ['a/b', 'link_dangling'],
  ['l', 'link_loop'],
  ['l/x', 'link_loop'],
])('a link in the folder to %j is told as %s', (target, why) => {
  expect(linksOf({ '/out/l': target })).toEqual({ kept: {}, skipped: { '/out/l': why } });
});

test('a chain of links ends at what they lead to, and one through a skipped link is dangling', () => {
  const links = { '/out/1': '2', '/out/2': '3', '/out/3': 'sub', '/out/4': '3/b', '/out/5': '3/c' };
  expect(linksOf(links)).toEqual({
    kept: { '/out/1': 'sub', '/out/2': 'sub', '/out/3': 'sub', '/out/4': 'sub/b' },
    skipped: { '/out/5': 'link_dangling' },
  });
});

test('ten thousand links cost a bounded receipt', () => {
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`/out/l${index}`, 'a']));
  const { kept, skipped } = linksOf(many);
  expect(Object.keys(kept).length).toBeLessThanOrEqual(1000);
  expect(Object.keys(kept).length + Object.keys(skipped).length).toBe(10_000);
  expect(Buffer.byteLength(JSON.stringify(kept))).toBeLessThan(32_000);
});
