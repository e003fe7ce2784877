import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readOrCreateSecret } from './secret-files.ts';
import { temporaryFolder } from './testing/workload.ts';

let folder: ReturnType<typeof temporaryFolder>;
let path: string;
beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder.path, 'some.secret');
});
afterEach(() => folder[Symbol.dispose]());

it('makes a secret for its owner alone, and finds it again', () => {
  expect(readOrCreateSecret(path, () => 'first')).toBe('first');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readOrCreateSecret(path, () => 'second')).toBe('first');
});

it.each([0o644, 0o640, 0o604, 0o620, 0o601])(
  'refuses a secret of mode %o, and leaves it as it is',
  (mode) => {
    readOrCreateSecret(path, () => 'first');
    chmodSync(path, mode);
    expect(() => readOrCreateSecret(path, () => 'second')).toThrow('can be read by others');
    expect(readFileSync(path, 'utf8')).toBe('first\n');
  },
);

it.each(['', '\n', '  \n'])('refuses an empty secret: %j', (text) => {
  writeFileSync(path, text, { mode: 0o600 });
  expect(() => readOrCreateSecret(path, () => 'new')).toThrow('is empty');
});
