import { expect, test } from 'vitest';
import { connectionsOf, defaultConnectionBounds } from './api/connection-guard.ts';
import { openFilesLimit } from './open-files-limit.ts';

test('sockets leave files for everything else, however few there are', () => {
  const text =
    'Limit   Soft Limit   Hard Limit   Units\nMax open files            4096                 524288               files\n';
  expect(openFilesLimit(text)).toBe(4096);
  expect(openFilesLimit('Max open files            unlimited            unlimited            files')).toBe(
    Infinity,
  );
  expect(openFilesLimit()).toBeGreaterThan(64);
  expect([256, 1024, 4096, 1e6, Infinity].map(connectionsOf)).toEqual([
    128,
    512,
    3072,
    defaultConnectionBounds.connections,
    defaultConnectionBounds.connections,
  ]);
});
