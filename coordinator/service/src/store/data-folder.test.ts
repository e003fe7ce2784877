import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeDataFolder } from './data-folder.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-data-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

test('the folder is made with those above it, and may be there already', () => {
  const folder = join(dir, 'a', 'b', 'c');
  makeDataFolder(folder);
  makeDataFolder(folder);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

test('a place that takes no folder is an error, at once', () => {
  writeFileSync(join(dir, 'file'), '');
  expect(() => makeDataFolder(join(dir, 'file'))).toThrow(/EEXIST/);
  expect(() => makeDataFolder(join(dir, 'file', 'x'))).toThrow(/ENOTDIR/);
});

test.skipIf(process.platform !== 'linux')('so is a file system that knows no new folders', () => {
  expect(() => makeDataFolder('/proc/capacloud')).toThrow(/ENOENT|EACCES/);
  expect(() => makeDataFolder('/proc/capacloud/data')).toThrow(/ENOENT|EACCES/);
});
